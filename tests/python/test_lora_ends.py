"""LoRA on the head, the embedding and a router, beside PEFT."""

import json
import shutil

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from conftest import STORIES, ingot, read_losses, write_config
from lora_support import (LORA, edit_config, edit_tensors, ingot_logits, largest, load_base, logits_of, make_adapter, open_in_peft, request_for,
                          train)
from test_llama_parity import make_folder
from test_lora import MAX_LOGIT_ERROR, MAX_LOSS_ERROR, MAX_MERGE_ERROR, parity_keys, train_plainly, train_with_peft
from test_training_parity import STEPS, largest_difference


TARGETS = {"head": ["q_proj", "lm_head"], "embedding": ["embed_tokens"], "ends": ["embed_tokens", "lm_head", "down_proj"]}


def add_tokenizer(folder):
    for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(STORIES / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A random Llama with a head of its own."""
    folder = tmp_path_factory.mktemp("untied") / "model"
    make_folder(folder, vocab_size=512, initializer_range=0.06)
    return add_tokenizer(folder)


@pytest.fixture(scope="module", params=TARGETS)
def run(request, tmp_path_factory, base):
    """An adapter at its start as PEFT makes it, and the run of Ingot from it."""
    folder = tmp_path_factory.mktemp(request.param)
    make_adapter(folder / "start", base, zero_b=True, r=8, lora_alpha=16, target_modules=TARGETS[request.param])
    run = train(folder / "a", model_name_or_path=str(base), **parity_keys(folder / "start", STEPS))
    return folder / "start", run, [read_losses(run)[step] for step in range(1, STEPS + 1)]


def test_fifty_steps_follow_peft(run, base):
    start, run, losses = run
    assert losses[-1] < losses[0] - 0.2, "nothing was learned: the comparison would say little"
    assert largest_difference(losses, train_with_peft(run, start, STEPS, base)) < MAX_LOSS_ERROR


def test_a_wrong_scale_does_not_follow(run, base, tmp_path):
    start, run, losses = run
    shutil.copytree(start, tmp_path / "start")
    edit_config(tmp_path / "start", lora_alpha=17)
    assert largest_difference(losses, train_with_peft(run, tmp_path / "start", STEPS, base)) > MAX_LOSS_ERROR


def test_the_trained_adapter_opens_in_peft_and_merges_as_peft_merges(run, base, tmp_path):
    start, run, _ = run
    model, merged = open_in_peft(run / "adapter", base), load_base(run / "model")
    names = {name.replace(".default", "") for name, _ in model.named_parameters() if "lora_" in name}
    assert set(load_file(run / "adapter/adapter_model.safetensors")) == names
    request = request_for(model)
    assert largest(ingot_logits(base, request, tmp_path, run / "adapter"), logits_of(model, request)) <= MAX_LOGIT_ERROR
    assert largest(logits_of(merged, request), logits_of(model, request)) <= MAX_LOGIT_ERROR
    assert largest(logits_of(load_base(base), request), logits_of(model, request)) > 0.05, "the adapter changes nothing"
    theirs = model.merge_and_unload().state_dict()
    for name, value in merged.state_dict().items():
        assert largest(value, theirs[name]) <= MAX_MERGE_ERROR, name


@pytest.mark.parametrize("kind", TARGETS)
def test_the_copies_of_base_weights_that_peft_adds_are_taken_for_what_they_are(base, tmp_path, kind):
    model = make_adapter(tmp_path / "adapter", base, r=4, target_modules=TARGETS[kind])
    model.save_pretrained(tmp_path / "adapter", save_embedding_layers=True)
    assert any("base_layer" in name for name in load_file(tmp_path / "adapter/adapter_model.safetensors"))
    request = request_for(model)
    assert largest(ingot_logits(base, request, tmp_path, tmp_path / "adapter"), logits_of(model, request)) <= MAX_LOGIT_ERROR
    continued = train(tmp_path / "a", model_name_or_path=str(base), adapter_name_or_path=str(tmp_path / "adapter"), lora_rank=None, max_steps=1)
    assert not any("base_layer" in name for name in load_file(continued / "adapter/adapter_model.safetensors"))
    edit_tensors(tmp_path / "adapter", lambda tensors: {n: v + 1 if "base_layer" in n else v for n, v in tensors.items()})
    result = ingot("generate", "--model", base, "--adapter", tmp_path / "adapter", "--prompt", "Once", check=False)
    assert result.returncode == 3 and "base_layer.weight: found other values" in result.stderr, result.stderr


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("settings", [{}, {"modules_to_save": ["model.norm"]}, {"modules_to_save": ["lm_head"]}],
                         ids=["alone", "beside_a_norm", "beside_a_head"])
def test_copies_of_the_base_that_no_addition_is_for_are_left_out_where_they_are_the_base(tmp_path, base, tied, settings):
    """save_embedding_layers=True; PEFT puts such a tensor in the base's place, so that another one changes the model."""
    if tied and "lm_head" in settings.get("modules_to_save", []):
        pytest.skip("one of two tied ends")
    folder = STORIES if tied else base
    model = make_adapter(tmp_path / "adapter", folder, r=4, target_modules=["q_proj"], **settings)
    model.save_pretrained(tmp_path / "adapter", save_embedding_layers=True)
    assert "base_model.model.model.embed_tokens.weight" in load_file(tmp_path / "adapter/adapter_model.safetensors")
    request = request_for(model)
    assert largest(ingot_logits(folder, request, tmp_path, tmp_path / "adapter"), logits_of(model, request)) <= MAX_LOGIT_ERROR
    keys = {"model_name_or_path": str(folder), "adapter_name_or_path": str(tmp_path / "adapter"), "lora_rank": None}
    result = ingot("train", write_config(tmp_path, **{**LORA, **keys, "max_steps": 1, "save_steps": 0}))
    assert "copies of the base model's own weights are left out" in result.stderr, result.stderr
    assert not any("embed_tokens" in name for name in load_file(tmp_path / "run/adapter/adapter_model.safetensors"))
    edit_tensors(tmp_path / "adapter", lambda tensors: {n: v + 1 if "embed_tokens" in n else v for n, v in tensors.items()})
    result = ingot("convert", "--from", folder, "--adapter", tmp_path / "adapter", "--to", tmp_path / "merged", check=False)
    assert result.returncode == 3 and "model.embed_tokens.weight: found other values" in result.stderr, result.stderr


def test_an_adapter_of_a_resized_model_is_refused_by_that_reason(tmp_path, base):
    resized = load_base(base)
    resized.resize_token_embeddings(520)
    peft.get_peft_model(resized, peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"])).save_pretrained(tmp_path / "adapter")
    keys = {"model_name_or_path": str(base), "adapter_name_or_path": str(tmp_path / "adapter"), "lora_rank": None}
    result = ingot("train", write_config(tmp_path, **{**LORA, **keys}), check=False)
    assert result.returncode == 3 and "weight: found shape [520, 32]" in result.stderr, result.stderr
    assert "resized" in result.stderr and not (tmp_path / "run").exists(), result.stderr


def test_a_copy_in_bfloat16_is_still_the_base(base, tmp_path):
    model = make_adapter(tmp_path / "adapter", base, r=4, target_modules=["lm_head"])
    model.save_pretrained(tmp_path / "adapter", save_embedding_layers=True)
    edit_tensors(tmp_path / "adapter", lambda tensors: {n: v.bfloat16() if "base_layer" in n else v for n, v in tensors.items()})
    assert "warning" not in ingot("generate", "--model", base, "--adapter", tmp_path / "adapter", "--prompt", "Once", "--max-new-tokens", 1).stderr


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens", ".*(lm_head|q_proj)"])
def test_one_of_two_tied_ends_is_refused_with_a_way_out(tmp_path, target):
    keys = {"lora_target": target if "*" in target else ["q_proj", target]}
    result = ingot("train", write_config(tmp_path, **{**LORA, **keys}), check=False)
    assert result.returncode == 2 and "head is its embedding" in result.stderr and "additional_target: embed_tokens" in result.stderr, result.stderr
    assert "loading weights" not in result.stderr and not (tmp_path / "run").exists()


def test_all_stands_for_the_layers_own_maps(tmp_path, base):
    run = train(tmp_path / "a", model_name_or_path=str(base), max_steps=1)
    names = {name.split(".")[-3] for name in load_file(run / "adapter/adapter_model.safetensors")}
    assert names == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_a_resumed_run_has_the_losses_of_a_whole_one(tmp_path, base):
    keys = {"model_name_or_path": str(base), "lora_target": TARGETS["ends"], "lora_dropout": 0.3, "save_steps": 3, "learning_rate": 1e-2}
    whole = train(tmp_path / "whole", max_steps=6, **keys)
    train(tmp_path / "parts", max_steps=3, **keys)
    parts = train(tmp_path / "parts", max_steps=6, **keys)
    assert read_losses(parts) == read_losses(whole)
    for name, value in load_file(whole / "adapter/adapter_model.safetensors").items():
        assert value.equal(load_file(parts / "adapter/adapter_model.safetensors")[name]), name


def test_bfloat16_follows_float32(tmp_path, base):
    keys = {"model_name_or_path": str(base), "lora_target": TARGETS["ends"], "learning_rate": 1e-2, "max_steps": 8}
    wide, narrow = (read_losses(train(tmp_path / kind, precision=kind, **keys)) for kind in ("fp32", "bf16"))
    assert wide[8] < wide[1] - 0.1
    assert largest_difference(list(wide.values()), list(narrow.values())) < 0.03


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("mixture") / "model"
    transformers.MixtralForCausalLM(transformers.MixtralConfig(
        vocab_size=512, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        num_local_experts=4, sliding_window=None, initializer_range=0.1)).save_pretrained(folder)
    return add_tokenizer(folder)


class Added(torch.nn.Module):
    """W + scale * B * A."""

    def __init__(self, a, b, scale):
        super().__init__()
        self.a, self.b, self.scale = torch.nn.Parameter(a), torch.nn.Parameter(b), scale

    def forward(self, weight):
        return weight + self.scale * self.b @ self.a


def with_router_additions(folder, tensors, scale):
    """transformers' Mixtral with additions to its routers' weights, all that is trained."""
    model = load_base(folder).requires_grad_(False)
    for i, layer in enumerate(model.model.layers):
        a, b = (tensors[f"base_model.model.model.layers.{i}.block_sparse_moe.gate.lora_{factor}.weight"] for factor in "AB")
        torch.nn.utils.parametrize.register_parametrization(layer.mlp.gate, "weight", Added(a, b, scale))
    return model


def test_a_router_is_adapted_like_any_linear_layer(tmp_path, mixture):
    """PEFT leaves transformers 5's routers out, so that the reference adds to their weights itself."""
    keys = {"model_name_or_path": str(mixture), "lora_target": ["gate"], "lora_alpha": 64}
    start = train(tmp_path / "start", **keys, max_steps=1, learning_rate=1e-9, warmup_steps=0)
    tensors = load_file(start / "adapter/adapter_model.safetensors")
    assert len(tensors) == 4
    run = train(tmp_path / "a", model_name_or_path=str(mixture), **parity_keys(start / "adapter", STEPS))
    losses = [read_losses(run)[step] for step in range(1, STEPS + 1)]
    model = with_router_additions(mixture, tensors, 8)
    assert largest_difference(losses, train_plainly(model, run, STEPS)) < MAX_LOSS_ERROR
    wrong = with_router_additions(mixture, tensors, 4)
    assert largest_difference(losses, train_plainly(wrong, run, STEPS)) > MAX_LOSS_ERROR
    request = request_for(load_base(mixture))
    adapted = ingot_logits(mixture, request, tmp_path, run / "adapter")
    assert largest(adapted, logits_of(load_base(run / "model"), request)) <= MAX_LOGIT_ERROR
    assert largest(adapted, logits_of(load_base(mixture), request)) > 1e-3


@pytest.mark.parametrize("whole", ["gate", "mlp.gate", "experts", "mlp", "layers.1.mlp", "lm_head", "embed_tokens"])
def test_whole_modules_of_a_mixture_are_read_as_peft_writes_them(tmp_path, mixture, whole):
    """transformers 5 calls the router mlp.gate, and has the experts of a layer in two tensors."""
    model = make_adapter(tmp_path / "adapter", mixture, r=4, target_modules=["q_proj"], modules_to_save=[whole])
    request = request_for(model)
    assert largest(ingot_logits(mixture, request, tmp_path, tmp_path / "adapter"), logits_of(model, request)) <= MAX_LOGIT_ERROR
    run = train(tmp_path / "a", model_name_or_path=str(mixture), adapter_name_or_path=str(tmp_path / "adapter"), lora_rank=None, max_steps=2,
                learning_rate=1e-2)
    adapted = ingot_logits(mixture, request, tmp_path, run / "adapter")
    assert largest(adapted, logits_of(load_base(run / "model"), request)) <= MAX_LOGIT_ERROR
    assert largest(adapted, logits_of(model, request)) > 1e-4
    assert largest(adapted, logits_of(open_in_peft(run / "adapter", mixture), request)) <= MAX_LOGIT_ERROR


PEFT_USES = [{"lora_target": target} for target in (["w2"], ["gate"], ["w1", "w2", "w3"], ["w2", "q_proj"], ".*layers\\.0.*w[123]")]
PEFT_REFUSES = [{"lora_target": target} for target in (["w1"], ["w3", "q_proj"], ["w1", "w3"], ["w1", "w2"], ".*\\.w3", ["0.w2"], ".*experts\\.0\\.w[123]")]
PEFT_REFUSES += [{"lora_target": target, "lora_dropout": 0.1} for target in (["w2"], ["gate"], ["w1", "w2", "w3"])]
PEFT_REFUSES += [{"lora_target": ["w1", "w2", "w3"], "use_rslora": True}]


def opens_as_the_merged_model(adapter, base, merged):
    """Whether PEFT has this adapter's logits, and not the base's."""
    try:
        model = open_in_peft(adapter, base)
    except (ValueError, RuntimeError):
        return False
    request = request_for(model)
    return largest(logits_of(model, request), logits_of(load_base(merged), request)) <= MAX_LOGIT_ERROR


@pytest.mark.parametrize("keys", PEFT_USES + PEFT_REFUSES, ids=lambda keys: "-".join(map(str, keys.values())))
def test_a_line_says_where_peft_cannot_use_an_adapter_of_experts(tmp_path, mixture, keys):
    config = write_config(tmp_path, **{**LORA, "model_name_or_path": str(mixture), "max_steps": 2, "learning_rate": 1e-2, "save_steps": 0, **keys})
    stderr = ingot("train", config).stderr
    assert opens_as_the_merged_model(tmp_path / "run/adapter", mixture, tmp_path / "run/model") == (keys in PEFT_USES)
    assert ("PEFT beside transformers 5 cannot use this run's adapter" in stderr) == (keys in PEFT_REFUSES), stderr


def test_a_head_of_other_values_than_the_embedding_it_is_said_to_be_stays_out_of_an_adapter(tmp_path):
    """config.json says tie_word_embeddings, and the file has a head of its own."""
    make_folder(tmp_path / "model", vocab_size=512, initializer_range=0.06, tie_word_embeddings=True)
    weights = load_file(tmp_path / "model/model.safetensors")
    weights["lm_head.weight"] = torch.randn(weights["model.embed_tokens.weight"].shape, generator=torch.Generator().manual_seed(9)) * 0.06
    save_file(weights, tmp_path / "model/model.safetensors", metadata={"format": "pt"})
    base = add_tokenizer(tmp_path / "model")
    run = train(tmp_path / "a", model_name_or_path=str(base), additional_target=["embed_tokens"], max_steps=3, learning_rate=1e-2)
    assert not any("lm_head" in name for name in load_file(run / "adapter/adapter_model.safetensors"))
    model, merged = open_in_peft(run / "adapter", base), load_base(run / "model")
    request = request_for(model)
    assert largest(logits_of(merged, request), logits_of(model, request)) <= MAX_LOGIT_ERROR
    assert largest(logits_of(load_base(base), request), logits_of(model, request)) > 0.05


@pytest.mark.parametrize("settings", [{"target_modules": ["q_proj", "lm_head"]}, {"target_modules": ["q_proj", "embed_tokens"]},
                                      {"target_modules": ["embed_tokens"], "ensure_weight_tying": True}], ids=["head", "embedding", "both"])
def test_an_adapter_of_a_tied_end_is_refused_by_that_reason(tmp_path, settings):
    make_adapter(tmp_path / "adapter", STORIES, r=4, **settings)
    for arguments in (["convert", "--from", STORIES, "--to", tmp_path / "merged"], ["generate", "--model", STORIES, "--prompt", "Once"]):
        result = ingot(*arguments, "--adapter", tmp_path / "adapter", check=False)
        assert result.returncode == 3 and f"{tmp_path / 'adapter'}: tensor" in result.stderr, result.stderr
        assert "head is its embedding" in result.stderr and "modules_to_save: [embed_tokens, lm_head]" in result.stderr, result.stderr


def test_all_linear_of_a_mixture_is_what_its_file_holds(tmp_path, mixture):
    """Routers and experts are linear layers in transformers 4 and none in 5."""
    model = make_adapter(tmp_path / "adapter", mixture, r=4, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"])
    edit_config(tmp_path / "adapter", target_modules="all-linear")
    request = request_for(model)
    assert largest(ingot_logits(mixture, request, tmp_path, tmp_path / "adapter"), logits_of(model, request)) <= MAX_LOGIT_ERROR
    assert largest(logits_of(load_base(mixture), request), logits_of(model, request)) > 1e-3
    result = ingot("convert", "--from", mixture, "--adapter", tmp_path / "adapter", "--to", tmp_path / "merged")
    assert "warning" not in result.stderr, result.stderr
