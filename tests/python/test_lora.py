"""LoRA beside PEFT: fifty steps, adapters opened by the other side, merges, and what a run leaves."""

import json
import re
import shutil

import peft
import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file

from conftest import STORIES, ingot, read_losses
from lora_support import (ALL, edit_config, edit_tensors, ingot_logits, largest, load_base, logits_of, make_adapter, open_in_peft,
                          request_for, train)
from test_llama_parity import make_folder
from test_training_parity import GLOBAL, MICRO, SEQ, SETTINGS, STEPS, largest_difference, rate_at, read_rows

MAX_LOGIT_ERROR, MAX_MERGE_ERROR, MAX_LOSS_ERROR = 2e-5, 1e-5, 1e-5
RATE = 20  # times the rate of the full run, so that the adapter learns


def parity_keys(adapter, steps=STEPS):
    return {"adapter_name_or_path": str(adapter), "cutoff_len": SEQ, "micro_batch_size": MICRO, "global_batch_size": GLOBAL,
            "max_steps": steps, "lr_scheduler_type": "cosine", "shuffle": False, "lora_rank": None,
            **SETTINGS, "learning_rate": RATE * SETTINGS["learning_rate"], "min_lr": RATE * SETTINGS["min_lr"]}


def train_with_peft(run, adapter, steps=STEPS, base=STORIES):
    """The losses of a plain loop over PEFT's model and torch.optim.AdamW."""
    return train_plainly(peft.PeftModel.from_pretrained(load_base(base), adapter, is_trainable=True), run, steps)


def train_plainly(model, run, steps):
    """The losses of a plain loop with torch.optim.AdamW over the rows that the run of Ingot had."""
    torch.set_num_threads(1)  # for so small a model threads cost more than they give
    trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [{"params": [p for _, p in trainable if p.dim() >= 2], "weight_decay": SETTINGS["weight_decay"]},
         {"params": [p for _, p in trainable if p.dim() < 2], "weight_decay": 0.0}],
        betas=(SETTINGS["adam_beta1"], SETTINGS["adam_beta2"]), eps=SETTINGS["adam_epsilon"])
    inputs, labels = read_rows(run)
    losses = []
    for step in range(steps):
        rows = slice(step * GLOBAL, (step + 1) * GLOBAL)
        loss = torch.nn.functional.cross_entropy(model(input_ids=inputs[rows]).logits.flatten(0, 1), labels[rows].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for _, p in trainable], SETTINGS["max_grad_norm"])
        for group in optimizer.param_groups:
            group["lr"] = RATE * rate_at(step)
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.fixture(scope="module", params=["plain", "rslora_and_norms"])
def fifty_steps(request, tmp_path_factory):
    """An adapter at its start, and the run and losses of Ingot from it."""
    folder = tmp_path_factory.mktemp(request.param)
    settings = {"plain": {"r": 8, "lora_alpha": 16},
                "rslora_and_norms": {"r": 4, "lora_alpha": 2, "use_rslora": True, "modules_to_save": ["norm"]}}[request.param]
    make_adapter(folder / "start", zero_b=True, **settings)
    run = train(folder / "ingot", **parity_keys(folder / "start"))
    losses = read_losses(run)
    return folder / "start", run, [losses[step] for step in range(1, STEPS + 1)]


def test_fifty_steps_follow_peft(fifty_steps):
    start, run, losses = fifty_steps
    assert losses[-1] < losses[0] - 0.3, "nothing was learned: the comparison would say little"
    assert largest_difference(losses, train_with_peft(run, start)) < MAX_LOSS_ERROR


def test_a_wrong_scale_does_not_follow(fifty_steps, tmp_path):
    start, run, losses = fifty_steps
    for file in start.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    edit_config(tmp_path, lora_alpha=17 if "plain" in str(start) else 3)
    assert largest_difference(losses[:10], train_with_peft(run, tmp_path, steps=10)) > MAX_LOSS_ERROR


def test_the_trained_adapter_opens_in_peft(fifty_steps, tmp_path):
    _, run, _ = fifty_steps
    model = open_in_peft(run / "adapter")
    request = request_for(model)
    assert largest(ingot_logits(STORIES, request, tmp_path, run / "adapter"), logits_of(model, request)) <= MAX_LOGIT_ERROR
    assert largest(logits_of(load_base(), request), logits_of(model, request)) > 0.1, "the adapter changes nothing"


def test_the_merged_model_opens_in_transformers(fifty_steps):
    _, run, _ = fifty_steps
    model, merged = open_in_peft(run / "adapter"), load_base(run / "model")
    request = request_for(model)
    assert largest(logits_of(merged, request), logits_of(model, request)) <= MAX_LOGIT_ERROR
    theirs = model.merge_and_unload().state_dict()
    for name, value in merged.state_dict().items():
        assert largest(value, theirs[name]) <= MAX_MERGE_ERROR, name


PEFT_ADAPTERS = {
    "plain": {"r": 8, "lora_alpha": 32},
    "rslora": {"r": 8, "lora_alpha": 4, "use_rslora": True},
    "expression": {"r": 2, "lora_alpha": 16, "target_modules": r".*layers\.[13]\.(self_attn\.q|mlp\.down)_proj"},
    "patterns": {"r": 8, "lora_alpha": 16, "rank_pattern": {"q_proj": 2, r"layers\.1\.mlp\.(up|down)_proj": 12},
                 "alpha_pattern": {"v_proj": 3, "layers.2.self_attn.k_proj": 40}},
    "saved_modules": {"r": 4, "modules_to_save": ["embed_tokens", "lm_head", "norm"]},
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A random Llama of four layers with a head of its own."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    make_folder(folder, num_hidden_layers=4, num_key_value_heads=2)
    return folder


@pytest.mark.parametrize("kind", PEFT_ADAPTERS)
def test_an_adapter_of_peft_opens_in_ingot(tmp_path, tiny, kind):
    model = make_adapter(tmp_path / "adapter", tiny, seed=len(kind), **PEFT_ADAPTERS[kind])
    request = request_for(model)
    found, wanted = ingot_logits(tiny, request, tmp_path, tmp_path / "adapter"), logits_of(model, request)
    assert largest(found, wanted) <= MAX_LOGIT_ERROR
    assert largest(found, logits_of(load_base(tiny), request)) > 0.01


def test_an_adapter_in_the_old_bin_file_is_the_same(tmp_path, tiny):
    model = make_adapter(tmp_path / "adapter", tiny, r=4)
    model.save_pretrained(tmp_path / "old", safe_serialization=False)
    assert (tmp_path / "old/adapter_model.bin").exists()
    request = request_for(model)
    assert largest(ingot_logits(tiny, request, tmp_path, tmp_path / "old"), logits_of(model, request)) <= MAX_LOGIT_ERROR


def test_adapters_of_experts_open_in_peft(tmp_path):
    torch.manual_seed(3)
    base = transformers.MixtralForCausalLM(transformers.MixtralConfig(
        vocab_size=512, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        num_local_experts=4, sliding_window=None, initializer_range=0.1))
    base.save_pretrained(tmp_path / "base")
    for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(STORIES / name, tmp_path / "base" / name)
    run = train(tmp_path / "a", model_name_or_path=str(tmp_path / "base"), max_steps=10, learning_rate=3e-2)
    tensors = load_file(run / "adapter/adapter_model.safetensors")
    assert len(tensors) == 2 * 2 * (4 + 3 * 4)
    assert "base_model.model.model.layers.1.block_sparse_moe.experts.3.w2.lora_A.weight" in tensors
    request = request_for(base)
    found = ingot_logits(tmp_path / "base", request, tmp_path, run / "adapter")
    assert largest(found, logits_of(load_base(run / "model"), request)) <= MAX_LOGIT_ERROR
    assert largest(found, logits_of(load_base(tmp_path / "base"), request)) > 0.1
    assert largest(found, logits_of(open_in_peft(run / "adapter", tmp_path / "base"), request)) <= MAX_LOGIT_ERROR


def double_alpha(adapter):
    edit_config(adapter, lora_alpha=64)


def plain_instead_of_rslora(adapter):
    edit_config(adapter, use_rslora=True)


def swap_factors(adapter):
    """A and B of square layers changed for each other."""
    twin = {"lora_A": "lora_B", "lora_B": "lora_A"}
    edit_tensors(adapter, lambda tensors: {re.sub("lora_[AB]", lambda m: twin[m[0]], name): value.T.contiguous()
                                           for name, value in tensors.items()})


@pytest.mark.parametrize("corrupt", [double_alpha, plain_instead_of_rslora, swap_factors])
def test_a_wrong_adapter_is_noticed(tmp_path, tiny, corrupt):
    model = make_adapter(tmp_path / "adapter", tiny, r=8, lora_alpha=32, target_modules=["q_proj", "o_proj"])
    corrupt(tmp_path / "adapter")
    request = request_for(model)
    assert largest(ingot_logits(tiny, request, tmp_path, tmp_path / "adapter"), logits_of(model, request)) > MAX_LOGIT_ERROR


def test_convert_merges_an_adapter_of_peft(tmp_path, tiny):
    model = make_adapter(tmp_path / "adapter", tiny, r=8, lora_alpha=32)
    said = ingot("convert", "--from", tiny, "--adapter", tmp_path / "adapter", "--to", tmp_path / "merged").stderr
    assert re.search(r"merged and adapted logits differ by at most \d\.\d+e-0[5-9]", said), said
    request = request_for(model)
    assert largest(logits_of(load_base(tmp_path / "merged"), request), logits_of(model, request)) <= MAX_LOGIT_ERROR
    theirs = model.merge_and_unload().state_dict()
    for name, value in load_file(tmp_path / "merged/model.safetensors").items():
        assert largest(value, theirs[name]) <= MAX_MERGE_ERROR, name


def test_a_merge_into_bfloat16_says_what_rounding_costs(tmp_path, tiny):
    model = make_adapter(tmp_path / "adapter", tiny, r=8, lora_alpha=32)
    said = ingot("convert", "--from", tiny, "--adapter", tmp_path / "adapter", "--to", tmp_path / "merged", "--dtype", "bfloat16").stderr
    difference, scale, moved = map(float, re.search(
        r"root mean square (\S+)\) of logits up to \S+ \(root mean square (\S+)\), .* root mean square of (\S+)", said).groups())
    assert 1e-4 * scale < difference < 0.02 * scale and moved > difference
    merged = load_file(tmp_path / "merged/model.safetensors")
    theirs = model.merge_and_unload().state_dict()
    for name, value in merged.items():
        assert value.dtype == torch.bfloat16
        assert largest(value.float(), theirs[name]) <= 2**-8 * theirs[name].abs().max().item(), name


def test_eval_and_generate_take_an_adapter(tmp_path):
    make_adapter(tmp_path / "adapter", r=8, lora_alpha=32)
    ingot("convert", "--from", STORIES, "--adapter", tmp_path / "adapter", "--to", tmp_path / "merged")
    (tmp_path / "ids.jsonl").write_text(json.dumps({"input_ids": list(range(1, 60))}) + "\n")
    score = lambda *where: json.loads(ingot("eval", *where, "--data", tmp_path / "ids.jsonl", "--json").stdout)["loss"]
    adapted, merged = score("--model", STORIES, "--adapter", tmp_path / "adapter"), score("--model", tmp_path / "merged")
    assert adapted == pytest.approx(merged, abs=1e-5) and adapted != pytest.approx(score("--model", STORIES), abs=1e-2)
    write = lambda *where: ingot("generate", *where, "--prompt", "Once upon", "--max-new-tokens", 8).stdout
    assert write("--model", STORIES, "--adapter", tmp_path / "adapter") == write("--model", tmp_path / "merged")


@pytest.mark.parametrize("target", [["embed_tokens"], ["lm_head"]])
def test_a_tied_embedding_trained_whole_opens_in_peft(tmp_path, target):
    run = train(tmp_path / "a", additional_target=target, max_steps=8, learning_rate=1e-2)
    tensors = load_file(run / "adapter/adapter_model.safetensors")
    assert tensors["base_model.model.lm_head.weight"].equal(tensors["base_model.model.model.embed_tokens.weight"])
    model = open_in_peft(run / "adapter")
    request = request_for(model)
    found = ingot_logits(STORIES, request, tmp_path, run / "adapter")
    assert largest(found, logits_of(model, request)) <= MAX_LOGIT_ERROR
    assert largest(found, logits_of(load_base(run / "model"), request)) <= MAX_LOGIT_ERROR


def test_an_adapter_that_unties_a_tied_head_is_refused(tmp_path):
    make_adapter(tmp_path / "adapter", modules_to_save=["lm_head"])
    (tmp_path / "text.txt").write_text("Once upon a time")
    result = ingot("eval", "--model", STORIES, "--adapter", tmp_path / "adapter", "--data", tmp_path / "text.txt", check=False)
    assert result.returncode == 3 and "lm_head.weight" in result.stderr and "equal values" in result.stderr


def test_the_folder_is_what_peft_writes(tmp_path):
    run = train(tmp_path / "a", max_steps=2, lora_target=["q_proj", "down_proj"], lora_dropout=0.1, additional_target=["norm"])
    make_adapter(tmp_path / "theirs", r=8, lora_alpha=16, lora_dropout=0.1, target_modules=["q_proj", "down_proj"], modules_to_save=["norm"])
    text = (run / "adapter/adapter_config.json").read_text()
    ours, theirs = json.loads(text), json.loads((tmp_path / "theirs/adapter_config.json").read_text())
    assert text == json.dumps(ours, indent=2, sort_keys=True) + "\n"
    for key, value in ours.items():
        wanted = sorted(theirs[key]) if key == "target_modules" else theirs[key]
        assert (sorted(value) if key == "target_modules" else value) == wanted, key
    with safe_open(run / "adapter/adapter_model.safetensors", "pt") as mine, safe_open(tmp_path / "theirs/adapter_model.safetensors", "pt") as other:
        assert mine.metadata() == other.metadata() == {"format": "pt"}
        # PEFT's "norm" is also the end of input_layernorm and post_attention_layernorm, and so it is here
        assert set(mine.keys()) == set(other.keys())
        assert all(mine.get_tensor(key).dtype == torch.float32 and mine.get_tensor(key).shape == other.get_tensor(key).shape for key in mine.keys())


def test_bf16_keeps_float32_masters_of_the_adapter(tmp_path):
    run = train(tmp_path / "a", precision="bf16", max_steps=30, learning_rate=1e-2)
    exact = train(tmp_path / "b", precision="fp32", max_steps=30, learning_rate=1e-2)
    rounded, losses = read_losses(run), read_losses(exact)
    assert max(abs(rounded[step] - losses[step]) for step in losses) < 0.05
    tensors = load_file(run / "adapter/adapter_model.safetensors")
    assert any(not value.equal(value.bfloat16().float()) for value in tensors.values())
    assert load_file(run / "model/model.safetensors")["model.norm.weight"].equal(load_file(STORIES / "model.safetensors")["model.norm.weight"])


@pytest.mark.parametrize("lora_target", ["all", ALL, ".*_proj"])
def test_all_a_list_and_an_expression_name_the_same_layers(tmp_path, lora_target):
    run = train(tmp_path / "a", max_steps=1, lora_target=lora_target)
    assert len(load_file(run / "adapter/adapter_model.safetensors")) == 2 * 7 * 5
