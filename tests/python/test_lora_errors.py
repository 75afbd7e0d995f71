"""Adapters and keys that are refused: one line that names the file or key, the value found and the value wanted."""

import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from conftest import STORIES, ingot, write_config
from lora_support import LORA, edit_config, edit_tensors, make_adapter

CONFIG, DATA = 2, 3


def message_of(result, code):
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if "error:" in line]
    assert len(lines) == 1 and "internal error" not in lines[0], result.stderr
    return result.stderr[result.stderr.index("error:"):]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter") / "adapter"
    make_adapter(folder, r=4, target_modules=["q_proj"])
    return folder


@pytest.fixture
def adapter(tmp_path, sound):
    copy = tmp_path / "adapter"
    copy.mkdir()
    for file in sound.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def open_it(adapter):
    return ingot("generate", "--model", STORIES, "--adapter", adapter, "--prompt", "Once", "--max-new-tokens", 1, check=False)


def test_a_sound_adapter_is_taken(adapter):
    assert open_it(adapter).returncode == 0


@pytest.mark.parametrize("changes, key", [
    ({"peft_type": "LOHA"}, "peft_type"), ({"peft_type": None}, "peft_type"), ({"use_dora": True}, "use_dora"), ({"bias": "all"}, "bias"),
    ({"fan_in_fan_out": 1}, "fan_in_fan_out"), ({"lora_bias": True}, "lora_bias"), ({"init_lora_weights": "pissa"}, "init_lora_weights"),
    ({"target_parameters": ["w"]}, "target_parameters"), ({"layer_replication": [[0, 1]]}, "layer_replication"), ({"r": 0}, "r"),
    ({"r": 1e300}, "r"), ({"r": "8"}, "r"), ({"r": 8}, "lora_A"), ({"rank_pattern": {"q_proj": -1}}, "rank_pattern"),
    ({"alpha_pattern": {"q_proj": "x"}}, "alpha_pattern"), ({"alpha_pattern": {"(": 1}}, "alpha_pattern"),
    ({"lora_dropout": 1}, "lora_dropout"), ({"target_modules": 5}, "target_modules"), ({"modules_to_save": [1]}, "modules_to_save"),
    ({"lora_alpha": "a"}, "lora_alpha"), ({"lora_alpha": 1e300}, "lora_alpha"), ({"alpha_pattern": {"q_proj": 1e300}}, "alpha_pattern"),
    ({"target_modules": ["nothing"]}, "target_modules"), ({"target_modules": "no.*thing"}, "target_modules"),
    ({"layers_to_transform": [77]}, "target_modules"),
])
def test_a_configuration_that_is_not_built_here_is_refused(adapter, changes, key):
    edit_config(adapter, **changes)
    assert key in message_of(open_it(adapter), DATA)


@pytest.mark.parametrize("command", ["train", "convert", "eval"])
def test_an_adapter_for_no_layer_of_the_model_is_refused_everywhere(adapter, tmp_path, command):
    edit_config(adapter, target_modules=["nothing"])
    data = tmp_path / "a.txt"
    data.write_text("Once upon a time.")
    arguments = {"train": [write_config(tmp_path, finetuning_type="lora", adapter_name_or_path=str(adapter))],
                 "convert": ["--from", STORIES, "--adapter", adapter, "--to", tmp_path / "merged"],
                 "eval": ["--model", STORIES, "--adapter", adapter, "--data", data]}[command]
    message = message_of(ingot(command, *arguments, check=False), DATA)
    assert str(adapter) in message and "target_modules: found nothing" in message and "q_proj" in message, message
    assert not (tmp_path / "merged").exists() and not (tmp_path / "run/model").exists()


def test_a_slow_expression_is_stopped(adapter):
    edit_config(adapter, rank_pattern={"(a*)*b(.*.*)*c" + "(.+)+" * 8 + "!": 3})
    assert open_it(adapter).returncode in (0, DATA)


A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.mark.parametrize("change, wanted", [
    (lambda t: {**t, A: torch.zeros(4, 63)}, "found shape [4, 63], wanted [4, 64]"),
    (lambda t: {**t, A: torch.zeros(64)}, "two dims"),
    (lambda t: {**t, A: t[A] * float("nan")}, "holds NaN"),
    (lambda t: {**t, A: torch.zeros(4, 64, dtype=torch.int64)}, "found I64, wanted F32, BF16 or F16"),
    (lambda t: {name: value for name, value in t.items() if name != A}, "without"),
    (lambda t: {name.replace("base_model.model.", ""): value for name, value in t.items()}, "base_model.model."),
    (lambda t: {name.replace("layers.0", "layers.77"): value for name, value in t.items()}, "no linear layer model.layers.77"),
    (lambda t: {**t, "base_model.model.model.norm.weight": torch.ones(64)}, "modules_to_save"),
    (lambda t: {**t, "base_model.model.model.embed_tokens.lora_embedding_A": torch.ones(4, 512)}, "is there without"),
], ids=["shape", "dims", "nan", "dtype", "alone", "prefix", "module", "whole", "embedding"])
def test_tensors_that_do_not_fit_are_refused(adapter, change, wanted):
    edit_tensors(adapter, change)
    assert wanted in message_of(open_it(adapter), DATA)


@pytest.mark.parametrize("name, data", [
    ("adapter_config.json", b"{"), ("adapter_config.json", b"[1]"), ("adapter_model.safetensors", b"\xff" * 64),
    ("adapter_model.safetensors", struct.pack("<Q", 2) + b"{}")])
def test_damaged_files_are_refused(adapter, name, data):
    (adapter / name).write_bytes(data)
    assert name in message_of(open_it(adapter), DATA)


def test_a_folder_that_is_no_adapter_is_refused():
    assert "adapter_config.json" in message_of(open_it(STORIES), CONFIG)


@pytest.mark.parametrize("keys, words", [
    ({"lora_target": ["q_proj", "nothing"]}, ["lora_target", "nothing", "down_proj, gate_proj"]),
    ({"lora_target": "layers.*q_proj"}, ["lora_target", "layers.*q_proj", "model.layers.0.self_attn.q_proj"]),
    ({"lora_target": ["q_proj", ".*k_proj"]}, ["lora_target", ".*k_proj"]),
    ({"lora_target": "lm_head"}, ["lora_target", "lm_head"]),
    ({"additional_target": ["nothing"]}, ["additional_target", "nothing", "embed_tokens"]),
    ({"lora_alpha": 1e300}, ["lora_alpha", "1e+300"]),
    ({"lora_rank": 0, "lora_dropout": 1}, ["lora_rank", "lora_dropout"]),
    ({"train_from_scratch": True}, ["train_from_scratch"]),
    ({"adapter_name_or_path": "/nowhere"}, ["adapter_name_or_path", "/nowhere", "lora_rank"]),
])
def test_keys_that_do_not_fit_are_refused_together(tmp_path, keys, words):
    message = message_of(ingot("train", write_config(tmp_path, **{**LORA, **keys}), check=False), CONFIG)
    assert all(word in message for word in words), message


def test_a_failed_merge_leaves_nothing(adapter, tmp_path):
    edit_tensors(adapter, lambda t: {name: value * 1e30 for name, value in t.items()})
    result = ingot("convert", "--from", STORIES, "--adapter", adapter, "--to", tmp_path / "merged", check=False)
    assert "wanted at most" in message_of(result, DATA)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter"]
