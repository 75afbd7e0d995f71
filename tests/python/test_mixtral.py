"""Mixtral beside transformers: logits, gradients and the load-balancing loss; training, export and generation."""

import json
import re

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from conftest import STORIES, ingot, write_config
from family_references import split_experts
from test_llama_parity import (MAX_GRADIENT_ERROR, MAX_LOGIT_ERROR, agrees, errors, expect_near_to_float32,
                               expect_packed_as_separate, make_request, probe, relative_error)

SHAPES = {
    "plain": {},
    "four_experts_top_three": {"num_local_experts": 4, "num_experts_per_tok": 3},
    "every_expert_chosen": {"num_local_experts": 3, "num_experts_per_tok": 3, "num_key_value_heads": 1},
    "windowed_tied": {"sliding_window": 7, "tie_word_embeddings": True, "num_hidden_layers": 3},
}


def make_folder(folder, seed=0, **changes):
    """A random Mixtral as transformers writes it, in the original names of experts. Returns the model."""
    torch.manual_seed(seed)
    config = transformers.MixtralConfig(**{
        "vocab_size": 131, "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "num_local_experts": 8, "initializer_range": 0.15, "max_position_embeddings": 256,
        **changes})
    model = transformers.MixtralForCausalLM(config).eval()
    model.save_pretrained(folder)
    return model


def reference(model, request, coefficient=None):
    """What the probe answers, by transformers; with a coefficient its own loss with output_router_logits."""
    model.zero_grad()
    ids, labels = torch.tensor(request["input_ids"]), torch.tensor(request["labels"])
    model.config.output_router_logits = coefficient is not None
    model.router_aux_loss_coef = coefficient or 0.0
    output = model(input_ids=ids, shift_labels=labels, labels=labels if coefficient is not None else None,
                   output_router_logits=coefficient is not None)
    counted = int((labels != -100).sum())
    loss = torch.nn.functional.cross_entropy(output.logits.float().flatten(0, 1), labels.flatten(), reduction="sum")
    (loss if coefficient is None else output.loss * counted).backward()
    wanted = {"logits": output.logits.detach().float(), "loss": loss.detach().view(1).float()}
    if coefficient is not None:
        wanted["expert_balance"] = output.aux_loss.detach().view(1)
    gradients = split_experts({name: value.grad.float() for name, value in model.named_parameters()})
    return {**wanted, **{f"grad.{name}": value for name, value in gradients.items()}}


@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
@pytest.mark.parametrize("shape", SHAPES)
def test_random_shapes_equal_transformers(tmp_path, shape, recompute):
    model = make_folder(tmp_path / "model", seed=len(shape), **SHAPES[shape])
    request = make_request(seed=len(shape), recompute=recompute)
    found, wanted = probe(tmp_path / "model", request, tmp_path / "out"), reference(model, request)
    assert agrees(found, wanted), errors(found, wanted)
    assert found["loss"].item() == pytest.approx(wanted["loss"].item(), rel=1e-6)


@pytest.mark.parametrize("recompute", ["none", "full"])
@pytest.mark.parametrize("shape", ["plain", "four_experts_top_three"])
def test_the_balance_and_its_gradients_equal_transformers(tmp_path, shape, recompute):
    model = make_folder(tmp_path / "model", seed=3, **SHAPES[shape])
    request = make_request(seed=3, router_aux_loss_coef=0.5, recompute=recompute, experts=True)
    found, wanted = probe(tmp_path / "model", request, tmp_path / "out"), reference(model, request, coefficient=0.5)
    assert found["expert_balance"].item() == pytest.approx(wanted["expert_balance"].item(), rel=1e-6)
    del found["expert_tokens"]
    assert agrees(found, wanted), errors(found, wanted)
    without = reference(model, request)  # the bound sees that the term is there
    assert relative_error(found["grad.model.layers.0.block_sparse_moe.gate.weight"],
                          without["grad.model.layers.0.block_sparse_moe.gate.weight"]) > 100 * MAX_GRADIENT_ERROR


@pytest.mark.parametrize("output_router_logits", [False, True])
def test_the_config_says_whether_the_balance_counts(tmp_path, output_router_logits):
    model = make_folder(tmp_path / "model", output_router_logits=output_router_logits, router_aux_loss_coef=0.25)
    request = make_request()
    found = probe(tmp_path / "model", request, tmp_path / "out")
    wanted = reference(model, request, coefficient=0.25 if output_router_logits else None)
    wanted.pop("expert_balance", None)
    assert agrees(found, wanted), errors(found, wanted)


def test_padding_is_left_out_of_the_balance(tmp_path):
    """Rows of 45 whose last labels stand at 30 and 44, as transformers sees them with an attention mask."""
    model = make_folder(tmp_path / "model")
    request = make_request(experts=True)
    request["labels"][1][30:] = [-100] * 15
    mask = torch.ones(2, 45, dtype=torch.long)
    mask[1, 31:] = 0
    ids = torch.tensor(request["input_ids"])
    with torch.no_grad():
        wanted = model(input_ids=ids, attention_mask=mask, output_router_logits=True).aux_loss.item()
    found = probe(tmp_path / "model", request, tmp_path / "out")
    assert found["expert_balance"].item() == pytest.approx(wanted, rel=1e-6)
    assert found["expert_tokens"].sum().item() == mask.sum().item() * 2 * 2


def test_uniform_routing_has_a_balance_of_two(tmp_path):
    """The golden number: tokens spread evenly over the experts by routers that hardly prefer any."""
    make_folder(tmp_path / "model", vocab_size=8, num_hidden_layers=1)
    weights = load_file(tmp_path / "model/model.safetensors")
    weights["model.embed_tokens.weight"] = torch.eye(8, 32)
    weights["model.layers.0.self_attn.o_proj.weight"].zero_()
    preferred = torch.eye(8, 32) + 0.5 * torch.eye(8).roll(1, 0) @ torch.eye(8, 32)
    weights["model.layers.0.block_sparse_moe.gate.weight"] = preferred * 1e-5
    save_file(weights, tmp_path / "model/model.safetensors", metadata={"format": "pt"})
    request = {"input_ids": [list(range(8))], "labels": [list(range(8))], "experts": True}
    found = probe(tmp_path / "model", request, tmp_path / "out")
    assert found["expert_balance"].item() == pytest.approx(2.0, abs=1e-4)
    assert found["expert_tokens"].tolist() == [2] * 8


def test_bfloat16_is_as_near_to_float32_as_transformers_is(tmp_path):
    """With every expert chosen, for rounding changes the choice of some."""
    model = make_folder(tmp_path / "model", **SHAPES["every_expert_chosen"]).to(torch.bfloat16)
    expect_near_to_float32(model, tmp_path, reference)


def test_packed_documents_equal_separate_rows(tmp_path):
    model = make_folder(tmp_path / "model", sliding_window=9)
    expect_packed_as_separate(model, tmp_path)


def swap_gate_and_up(model, _):
    for name, value in model.named_parameters():
        if name.endswith("gate_up_proj"):
            value.copy_(torch.cat(value.chunk(2, dim=1)[::-1], dim=1))


def do_not_renormalise(model, monkeypatch):
    router = transformers.models.mixtral.modeling_mixtral.MixtralTopKRouter

    def forward(self, hidden):
        logits = torch.nn.functional.linear(hidden.reshape(-1, self.hidden_dim), self.weight)
        scores, experts = torch.topk(torch.softmax(logits.float(), -1), self.top_k, dim=-1)
        return logits, scores, experts
    monkeypatch.setattr(router, "forward", forward)


def one_expert_less(model, _):
    for layer in model.model.layers:
        layer.mlp.gate.top_k = 1


@pytest.mark.parametrize("corrupt", [swap_gate_and_up, do_not_renormalise, one_expert_less])
def test_a_wrong_model_is_noticed(tmp_path, corrupt, monkeypatch):
    model = make_folder(tmp_path / "model")
    request = make_request()
    found = probe(tmp_path / "model", request, tmp_path / "out")
    with torch.no_grad():
        corrupt(model, monkeypatch)
    logits, gradients = errors(found, reference(model, request))
    assert logits > MAX_LOGIT_ERROR and gradients > MAX_GRADIENT_ERROR


# The whole job

def trainable_folder(folder, **changes):
    """A random Mixtral with the tokenizer of stories260K."""
    make_folder(folder, vocab_size=512, max_position_embeddings=128, **changes)
    for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        if (STORIES / name).exists():
            (folder / name).write_bytes((STORIES / name).read_bytes())
    return folder


def steps_of(run):
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if "grad_norm" in line]


def test_five_steps_train_export_and_reopen(tmp_path):
    folder = trainable_folder(tmp_path / "model")
    result = ingot("train", write_config(tmp_path, model_name_or_path=str(folder), max_steps=5, router_aux_loss_coef=0.02))
    steps = steps_of(tmp_path / "run")
    assert len(steps) == 5 and steps[-1]["loss"] < steps[0]["loss"]
    for step in steps:
        assert 1.9 < step["aux_loss"] < 8
        assert len(step["expert_tokens"]) == 8 and sum(step["expert_tokens"]) == 4 * 64 * 2 * 2
    assert len(re.findall(r"\| load_balancing_loss: \d\.\d{6}E[+-]\d\d \| loss scale", result.stdout)) == 5
    exported = tmp_path / "run/model"
    assert set(load_file(exported / "model.safetensors")) == set(load_file(folder / "model.safetensors"))
    reopened, info = transformers.AutoModelForCausalLM.from_pretrained(exported, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    ids = torch.randint(512, (1, 20), generator=torch.Generator().manual_seed(1))
    request = {"input_ids": ids.tolist(), "labels": ids.tolist()}
    with torch.no_grad():
        wanted = reopened.float()(input_ids=ids).logits
    assert (probe(exported, request, tmp_path / "out")["logits"] - wanted).abs().max().item() <= MAX_LOGIT_ERROR
    prompt = "Once upon a time"
    text = ingot("generate", "--model", exported, "--prompt", prompt, "--max-new-tokens", "6", "--temperature", "0").stdout
    assert len(text) > len(prompt)


def test_bf16_follows_fp32(tmp_path):
    folder = trainable_folder(tmp_path / "model")
    losses = {}
    for precision in ("fp32", "bf16"):
        (tmp_path / precision).mkdir()
        ingot("train", write_config(tmp_path / precision, model_name_or_path=str(folder), precision=precision,
                                    recompute="selective", max_steps=5))
        losses[precision] = [step["loss"] for step in steps_of(tmp_path / precision / "run")]
    assert max(abs(a - b) for a, b in zip(losses["fp32"], losses["bf16"], strict=True)) < 0.03


def test_lora_adapts_experts_and_leaves_the_router_alone(tmp_path):
    """With dropout, whose bits go with a token to its experts: computing again changes nothing."""
    folder = trainable_folder(tmp_path / "model")
    losses = {}
    for recompute in ("none", "selective", "full"):
        (tmp_path / recompute).mkdir()
        ingot("train", write_config(tmp_path / recompute, model_name_or_path=str(folder), finetuning_type="lora", lora_rank=4,
                                    lora_dropout=0.2, recompute=recompute, max_steps=4, learning_rate=1e-2))
        losses[recompute] = [step["loss"] for step in steps_of(tmp_path / recompute / "run")]
    assert losses["none"] == losses["selective"] == losses["full"]
    adapter = load_file(tmp_path / "none/run/adapter/adapter_model.safetensors")
    modules = {name.split(".lora_")[0].removeprefix("base_model.model.") for name in adapter}
    inside = [f"block_sparse_moe.experts.{expert}.{part}" for expert in range(8) for part in ("w1", "w2", "w3")]
    attention = [f"self_attn.{part}_proj" for part in "qkvo"]
    assert modules == {f"model.layers.{layer}.{module}" for layer in range(2) for module in inside + attention}
    base, merged = (load_file(of / "model.safetensors") for of in (folder, tmp_path / "none/run/model"))
    changed = {name.removesuffix(".weight") for name in base if not torch.equal(base[name], merged[name])}
    assert merged.keys() == base.keys() and changed == modules


def test_the_balance_evens_the_experts_out(tmp_path):
    folder = trainable_folder(tmp_path / "model", initializer_range=0.3)
    last = {}
    for coefficient in (0, 2):
        (tmp_path / str(coefficient)).mkdir()
        config = write_config(tmp_path / str(coefficient), model_name_or_path=str(folder), max_steps=30,
                              router_aux_loss_coef=coefficient, learning_rate=3e-3)
        ingot("train", config)
        last[coefficient] = steps_of(tmp_path / str(coefficient) / "run")[-1]["aux_loss"]
    assert last[2] < last[0] - 0.05, last


def test_zero_steps_export_the_same_bytes(tmp_path):
    folder = trainable_folder(tmp_path / "model")
    run = write_config(tmp_path, model_name_or_path=str(folder), max_steps=1, learning_rate=0, weight_decay=0)
    ingot("train", run)
    assert (tmp_path / "run/model/model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_a_coefficient_without_experts_is_refused(tmp_path):
    result = ingot("train", write_config(tmp_path, router_aux_loss_coef=0.01), check=False)
    assert result.returncode == 2
    assert "router_aux_loss_coef" in result.stderr and "LlamaForCausalLM has no experts" in result.stderr


def fuse(model, folder, **options):
    """The model's folder with the names of transformers 5's own modules."""
    model.save_pretrained(folder, save_original_format=False, **options)
    names = load_names(folder)
    assert "model.layers.1.mlp.experts.gate_up_proj" in names and not any("block_sparse_moe" in name for name in names)
    return folder


def load_names(folder):
    return [name for file in folder.glob("*.safetensors") for name in load_file(file)]


@pytest.mark.parametrize("kind", ["one_file", "shards", "bin"])
def test_fused_experts_are_read(tmp_path, kind):
    model = make_folder(tmp_path / "model", seed=4)
    fuse(model, tmp_path / "fused", **({"max_shard_size": "60KB"} if kind == "shards" else {}))
    if kind == "shards":
        assert len(list((tmp_path / "fused").glob("*.safetensors"))) > 2
    if kind == "bin":
        torch.save(load_file(tmp_path / "fused/model.safetensors"), tmp_path / "fused/pytorch_model.bin")
        (tmp_path / "fused/model.safetensors").unlink()
    request = make_request(seed=4)
    found, wanted = probe(tmp_path / "fused", request, tmp_path / "out"), reference(model, request)
    assert agrees(found, wanted), errors(found, wanted)


def test_gate_and_up_in_the_other_order_are_noticed(tmp_path):
    model = make_folder(tmp_path / "model", seed=4)
    file = fuse(model, tmp_path / "fused") / "model.safetensors"
    tensors = {name: torch.cat(value.chunk(2, 1)[::-1], 1) if name.endswith("gate_up_proj") else value for name, value in load_file(file).items()}
    save_file(tensors, file, metadata={"format": "pt"})
    request = make_request(seed=4)
    assert not agrees(probe(tmp_path / "fused", request, tmp_path / "out"), reference(model, request))


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_run_from_fused_experts_is_the_run_from_single_ones(tmp_path, method):
    model = make_folder(tmp_path / "single", vocab_size=512)
    fuse(model, tmp_path / "fused")
    exported = []
    for kind in ("single", "fused"):
        for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
            (tmp_path / kind / name).write_bytes((STORIES / name).read_bytes())
        (tmp_path / f"{kind}_run").mkdir()
        ingot("train", write_config(tmp_path / f"{kind}_run", model_name_or_path=str(tmp_path / kind), finetuning_type=method, max_steps=3))
        exported.append(load_file(tmp_path / f"{kind}_run/run/model/model.safetensors"))
    assert exported[0].keys() == exported[1].keys()
    assert all(value.equal(exported[1][name]) for name, value in exported[0].items())
    opened = transformers.MixtralForCausalLM.from_pretrained(tmp_path / "fused_run/run/model", dtype=torch.float32)
    assert not opened.model.layers[0].mlp.experts.gate_up_proj.equal(model.model.layers[0].mlp.experts.gate_up_proj)


@pytest.mark.parametrize("name, shape", [("gate_up_proj", (8, 111, 32)), ("gate_up_proj", (112, 32)), ("down_proj", (8, 32)), ("down_proj", (4, 32, 56))])
def test_fused_experts_of_another_shape_are_refused(tmp_path, name, shape):
    file = fuse(make_folder(tmp_path / "model"), tmp_path / "fused") / "model.safetensors"
    for name_of_file in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / "fused" / name_of_file).write_bytes((STORIES / name_of_file).read_bytes())
    save_file({**load_file(file), f"model.layers.1.mlp.experts.{name}": torch.zeros(shape)}, file, metadata={"format": "pt"})
    result = ingot("generate", "--model", tmp_path / "fused", "--prompt", "a", check=False)
    assert result.returncode == 3 and "layers.1" in result.stderr, result.stderr
