"""What a LoRA run keeps, resumes, refuses and needs."""

import hashlib
import json
import os
import random
import shutil
import subprocess

import pytest
from safetensors.torch import load_file, save_file

from conftest import INGOT, ROOT, STORIES, ingot, peak_memory, read_losses, write_config
from lora_support import LORA, ingot_logits, largest, train
from test_llama_parity import make_request

STEPS = 24


def config_for(folder, **keys):
    folder.mkdir()
    return write_config(folder, **{**LORA, "max_steps": STEPS, "save_steps": 1, "lora_dropout": 0.2, "learning_rate": 5e-3,
                                   "additional_target": ["norm"], **keys})


def hashes(run):
    return {name: hashlib.sha256((run / name).read_bytes()).hexdigest()
            for name in ("adapter/adapter_model.safetensors", "model/model.safetensors")}


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def whole(request, tmp_path_factory):
    """A run that was left alone, and its precision."""
    folder = tmp_path_factory.mktemp("lora") / "whole"
    ingot("train", config_for(folder, precision=request.param))
    return folder / "run", request.param


def test_killed_runs_end_with_the_same_bits(tmp_path, whole):
    run, precision = whole
    chance = random.Random(5)
    for attempt in range(3):
        config = config_for(tmp_path / f"run{attempt}", precision=precision)
        killed = tmp_path / f"run{attempt}/run"
        after = chance.randrange(2, STEPS - 2)
        process = subprocess.Popen([INGOT, "train", str(config)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in process.stdout:
            if f"iteration {after:8}/" in line:
                process.kill()
        process.wait()
        process.stdout.close()
        assert process.returncode == -9
        ingot("train", config)
        assert hashes(killed) == hashes(run)
        assert read_losses(killed) == read_losses(run)


def test_a_checkpoint_holds_the_adapter_alone(whole):
    run, _ = whole
    file, = (run / f"checkpoints/iter_{STEPS:07}").glob("*.safetensors")
    names = {name.split(".", 1)[1] for name in load_file(file) if name.startswith("model.")}
    assert len(names) == 2 * 7 * 5 + 11
    assert all(".lora_" in name or "norm.weight" in name for name in names)


def test_the_base_is_left_as_it_was(whole):
    run, _ = whole
    base, merged = load_file(STORIES / "model.safetensors"), load_file(run / "model/model.safetensors")
    same = {name for name in base if base[name].equal(merged[name])}
    assert same == {"model.embed_tokens.weight"}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_zero_learning_rate_merges_into_the_very_base(tmp_path, precision):
    run = train(tmp_path / "a", learning_rate=0, max_steps=1, precision=precision)
    assert (run / "model/model.safetensors").read_bytes() == (STORIES / "model.safetensors").read_bytes()
    tensors = load_file(run / "adapter/adapter_model.safetensors")
    for name, value in tensors.items():
        assert "lora_A" in name or not value.any()
        assert "lora_B" in name or 0.9 < value.abs().max() * value.shape[1] ** 0.5 <= 1


def change_base(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("change, field", [
    ({"lora_rank": 4}, "lora_rank"), ({"lora_dropout": 0.1}, "lora_dropout"), ({"lora_target": ["q_proj"]}, "lora_target"),
    ({"finetuning_type": "full"}, "finetuning_type"), ({"model_name_or_path": None}, "base model: found the weights in"),
])
def test_a_resume_with_another_adapter_or_base_is_refused(tmp_path, whole, change, field):
    run, precision = whole
    shutil.copytree(run, tmp_path / "copy/run")
    shutil.copytree(STORIES, tmp_path / "base")
    change_base(tmp_path / "base")
    keys = {**LORA, "max_steps": STEPS + 1, "lora_dropout": 0.2, "learning_rate": 5e-3, "additional_target": ["norm"],
            "precision": precision, **change}
    if "model_name_or_path" in change:
        keys["model_name_or_path"] = str(tmp_path / "base")
    result = ingot("train", write_config(tmp_path / "copy", **keys), check=False)
    assert result.returncode == 2 and field in result.stderr and len(result.stderr.strip().splitlines()[-1:]) == 1


def test_the_base_may_move_but_not_change(tmp_path, whole):
    run, _ = whole
    shutil.copytree(STORIES, tmp_path / "moved")
    ingot("export", run, "--merge", "--to", tmp_path / "merged", "--base", tmp_path / "moved")
    assert (tmp_path / "merged/model.safetensors").read_bytes() == (run / "model/model.safetensors").read_bytes()
    ingot("export", run, "--adapter", "--to", tmp_path / "adapter")
    assert (tmp_path / "adapter/adapter_model.safetensors").read_bytes() == (run / "adapter/adapter_model.safetensors").read_bytes()
    change_base(tmp_path / "moved")
    result = ingot("export", run, "--merge", "--to", tmp_path / "other", "--base", tmp_path / "moved", check=False)
    assert result.returncode == 2 and "its weights have the digest" in result.stderr and not (tmp_path / "other").exists()


def test_dropout_does_not_depend_on_the_micro_batch(tmp_path):
    keys = {"max_steps": 4, "global_batch_size": 8, "lora_dropout": 0.5, "learning_rate": 2e-3}
    losses = [read_losses(train(tmp_path / str(i), **{**keys, **more})) for i, more in enumerate(
        [{"micro_batch_size": 8}, {"micro_batch_size": 2}, {"micro_batch_size": 8, "lora_dropout": 0}])]
    assert losses[1] == pytest.approx(losses[0], abs=1e-6)
    assert losses[2] != pytest.approx(losses[0], abs=1e-4)


def test_dropout_belongs_to_the_sample_in_conversations_too(tmp_path):
    keys = {"stage": "sft", "dataset": str(ROOT / "examples/data/identity_alpaca.json"), "template": "default", "cutoff_len": 512,
            "max_steps": 3, "global_batch_size": 8, "lora_dropout": 0.5, "learning_rate": 2e-3, "truncation": "skip"}
    losses = [read_losses(train(tmp_path / str(i), **{**keys, **more})) for i, more in enumerate(
        [{"micro_batch_size": 8}, {"micro_batch_size": 2}, {"micro_batch_size": 8, "lora_dropout": 0}])]
    assert losses[1] == pytest.approx(losses[0], abs=2e-6)
    assert losses[2] != pytest.approx(losses[0], abs=1e-4)


def test_a_merge_keeps_the_files_of_its_base(tmp_path):
    """Two shards in two dtypes, one with metadata of its own."""
    weights = load_file(STORIES / "model.safetensors")
    base = tmp_path / "base"
    shutil.copytree(STORIES, base)
    (base / "model.safetensors").unlink()
    first = {name: value.bfloat16() for name, value in weights.items() if "layers.0" in name}
    rest = {name: value for name, value in weights.items() if name not in first}
    save_file(first, base / "model-00001-of-00002.safetensors", metadata={"note": "here"})
    save_file(rest, base / "model-00002-of-00002.safetensors", metadata={"format": "pt"})
    weight_map = {**{name: "model-00001-of-00002.safetensors" for name in first}, **{name: "model-00002-of-00002.safetensors" for name in rest}}
    (base / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    run = train(tmp_path / "a", model_name_or_path=str(base), learning_rate=0, max_steps=1)
    for file in base.iterdir():
        assert (run / "model" / file.name).read_bytes() == file.read_bytes(), file.name


def test_training_goes_on_from_an_adapter(tmp_path):
    first = train(tmp_path / "a", max_steps=12, learning_rate=1e-2, shuffle=False)
    second = train(tmp_path / "b", max_steps=1, adapter_name_or_path=str(first / "adapter"), lora_rank=None, shuffle=False)
    fresh = read_losses(first)
    assert read_losses(second)[1] < fresh[1] - 0.1


SIZES = {"full": {}, "lora": LORA}


def test_a_lora_run_needs_less_memory(tmp_path):
    """About 40 M parameters in float32: weights, and for the full run gradients and two moments; a checkpoint copies none of them."""
    base = tmp_path / "base"
    base.mkdir()
    shape = json.loads((STORIES / "config.json").read_text()) | {
        "hidden_size": 640, "intermediate_size": 1792, "num_hidden_layers": 8, "num_attention_heads": 10, "head_dim": 64,
        "num_key_value_heads": 10}
    (base / "config.json").write_text(json.dumps(shape))
    for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(STORIES / name, base / name)
    common = {"max_steps": 1, "micro_batch_size": 1, "global_batch_size": 1, "cutoff_len": 16, "save_steps": 0, "learning_rate": 0}
    (tmp_path / "scratch").mkdir()
    ingot("train", write_config(tmp_path / "scratch", model_name_or_path=str(base), train_from_scratch=True, **common))
    peaks = {}
    for kind, keys in SIZES.items():
        (tmp_path / kind).mkdir()
        config = write_config(tmp_path / kind, model_name_or_path=str(tmp_path / "scratch/run/model"), **{**common, **keys})
        peaks[kind] = peak_memory(INGOT, "train", config)[1]
    weights = (tmp_path / "scratch/run/model/model.safetensors").stat().st_size / 2**20
    assert 2.5 * weights < peaks["full"] - peaks["lora"] < 4 * weights, (peaks, weights)


QWEN = {"architectures": ["QWenLMHeadModel"], "model_type": "qwen", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "kv_channels": 8, "intermediate_size": 96, "layer_norm_epsilon": 1e-6, "rotary_emb_base": 10000, "seq_length": 256}
BAICHUAN = {"architectures": ["BaichuanForCausalLM"], "model_type": "baichuan", "hidden_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 4, "intermediate_size": 48, "rms_norm_eps": 1e-6, "model_max_length": 256}
CHATGLM = {"architectures": ["ChatGLMModel"], "model_type": "chatglm", "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4,
           "kv_channels": 8, "multi_query_attention": True, "multi_query_group_num": 2, "ffn_hidden_size": 48, "layernorm_epsilon": 1e-5,
           "add_qkv_bias": True, "seq_length": 256, "padded_vocab_size": 512}
FUSED = {"qwen": (QWEN, ["c_attn", "c_proj", "w1", "w2"], 2 * 5), "baichuan": (BAICHUAN, ["W_pack"], 2),
         "chatglm": (CHATGLM, ["query_key_value", "dense_h_to_4h"], 4)}


@pytest.mark.parametrize("family", FUSED)
def test_fused_layers_have_one_adapter_under_their_own_name(tmp_path, family):
    config, targets, layers = FUSED[family]
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text(json.dumps({"vocab_size": 512, "initializer_range": 0.15, "torch_dtype": "float32", **config}))
    for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(STORIES / name, base / name)
    (tmp_path / "scratch").mkdir()
    ingot("train", write_config(tmp_path / "scratch", model_name_or_path=str(base), train_from_scratch=True, max_steps=1, learning_rate=0))
    model = tmp_path / "scratch/run/model"
    run = train(tmp_path / "lora", model_name_or_path=str(model), lora_target=targets, max_steps=10, learning_rate=3e-2)
    adapter = {name.removeprefix("base_model.model."): value
               for name, value in load_file(run / "adapter/adapter_model.safetensors").items()}
    assert len(adapter) == 2 * layers
    weights = load_file(model / "model.safetensors")
    for name, a in adapter.items():
        if name.endswith("lora_A.weight"):
            weights[name.replace("lora_A.", "")] += 2 * adapter[name.replace("lora_A", "lora_B")] @ a
    save_file(weights, model / "merged.safetensors")
    request = make_request(vocab=512)
    adapted = ingot_logits(model, request, tmp_path, run / "adapter")
    os.replace(model / "merged.safetensors", model / "model.safetensors")
    assert largest(ingot_logits(model, request, tmp_path), adapted) <= 2e-5
    assert largest(ingot_logits(run / "model", request, tmp_path), adapted) <= 2e-5
