"""Which layers an adapter is for: what adapter_config.json says and what its file holds, against PEFT."""

import shutil

import pytest
from safetensors.torch import load_file, save_file

from conftest import STORIES, ingot, write_config
from lora_support import LORA, edit_config, edit_tensors, ingot_logits, largest, load_base, logits_of, make_adapter, open_in_peft, request_for, train
from test_lora import MAX_LOGIT_ERROR

PREFIX = "base_model.model.model.layers."
SETTINGS = {
    "layers": {"layers_to_transform": [1, 3]},
    "one_layer": {"layers_to_transform": 2, "layers_pattern": "layers"},
    "pattern": {"layers_to_transform": [0], "layers_pattern": ["blocks", "layers"]},
    "whole_path": {"layers_to_transform": [0], "target_modules": ["q_proj", "model.layers.2.self_attn.v_proj"]},
    "excluded": {"exclude_modules": ["k_proj", "layers.1.mlp.up_proj"]},
    "excluded_expression": {"exclude_modules": r".*layers\.[02]\..*"},
    "expression": {"target_modules": r"model\.layers\.[12]\.self_attn\.[qv]_proj"},
    "rooted_patterns": {"rank_pattern": {r"^model.layers.1.self_attn.q_proj": 3, r"^layers.0.self_attn.q_proj": 5, "q_proj": 6},
                        "alpha_pattern": {r"^model\.layers\.[02]\.mlp\.up_proj": 3, "v_proj": 12}},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Stories260K with logits of a quarter: at 15, float32 alone puts PEFT and Ingot each up to 3e-5 from float64."""
    folder = tmp_path_factory.mktemp("base") / "model"
    shutil.copytree(STORIES, folder)
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = weights["model.norm.weight"] / 4
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def tensors_of(model):
    return {name.replace(".default", ""): tuple(value.shape) for name, value in model.named_parameters() if "lora_" in name}


def say(adapter):
    """What is said about an adapter that is taken."""
    return ingot("generate", "--model", STORIES, "--adapter", adapter, "--prompt", "Once", "--max-new-tokens", 1).stderr


def expect_same_as_peft(adapter, folder, base):
    model = open_in_peft(adapter, base)
    request = request_for(model)
    found, wanted = ingot_logits(base, request, folder, adapter), logits_of(model, request)
    assert largest(found, wanted) <= MAX_LOGIT_ERROR
    assert largest(found, logits_of(load_base(base), request)) > 0.01


@pytest.mark.parametrize("kind", SETTINGS)
def test_training_goes_on_in_the_same_layers_and_exports_them(tmp_path, base, kind):
    first = make_adapter(tmp_path / "first", base, r=4, lora_alpha=8, seed=len(kind), **SETTINGS[kind])
    expect_same_as_peft(tmp_path / "first", tmp_path, base)
    run = train(tmp_path / "a", model_name_or_path=str(base), adapter_name_or_path=str(tmp_path / "first"), lora_rank=None, max_steps=2)
    assert tensors_of(open_in_peft(run / "adapter", base)) == tensors_of(first)
    expect_same_as_peft(run / "adapter", tmp_path, base)
    assert "warning" not in say(run / "adapter")


def test_a_resume_with_other_layers_is_refused(tmp_path):
    make_adapter(tmp_path / "first", r=4, layers_to_transform=[1])
    train(tmp_path / "a", adapter_name_or_path=str(tmp_path / "first"), lora_rank=None, max_steps=2, save_steps=1)
    make_adapter(tmp_path / "first", r=4, layers_to_transform=[2])
    config = write_config(tmp_path / "a", **{**LORA, "lora_rank": None, "adapter_name_or_path": str(tmp_path / "first"), "max_steps": 3})
    result = ingot("train", config, check=False)
    assert result.returncode == 2 and "another adapter" in result.stderr, result.stderr


def test_layers_that_the_file_lacks_are_named(tmp_path, base):
    make_adapter(tmp_path / "adapter", base, r=4)
    edit_tensors(tmp_path / "adapter", lambda t: {name: value for name, value in t.items() if not name.startswith(PREFIX + "2.")})
    expect_same_as_peft(tmp_path / "adapter", tmp_path, base)
    said = say(tmp_path / "adapter")
    assert "model.layers.2.mlp.down_proj.lora_A.weight" in said and "and 13 more" in said and "not in the adapter's file" in said, said


def test_layers_that_the_config_does_not_target_are_named_and_left_out(tmp_path, base):
    make_adapter(tmp_path / "adapter", base, r=4)
    edit_config(tmp_path / "adapter", layers_to_transform=[0, 1])
    expect_same_as_peft(tmp_path / "adapter", tmp_path, base)
    said = say(tmp_path / "adapter")
    assert "model.layers.2.mlp.down_proj.lora_A.weight" in said and "not targeted" in said, said
    ingot("convert", "--from", base, "--adapter", tmp_path / "adapter", "--to", tmp_path / "merged")
    merged, adapted = load_base(tmp_path / "merged"), open_in_peft(tmp_path / "adapter", base)
    request = request_for(merged)
    assert largest(logits_of(merged, request), logits_of(adapted, request)) <= MAX_LOGIT_ERROR


def test_a_whole_module_that_the_file_lacks_is_named(tmp_path):
    make_adapter(tmp_path / "adapter", r=4, modules_to_save=["norm"])
    edit_tensors(tmp_path / "adapter", lambda t: {name: value for name, value in t.items() if "norm" not in name})
    assert "layernorm.weight" in say(tmp_path / "adapter")


@pytest.mark.parametrize("value", [3, "a", True, {"a": None}, [0]])
def test_an_unknown_key_that_says_something_is_named(tmp_path, value):
    make_adapter(tmp_path / "adapter", r=4)
    edit_config(tmp_path / "adapter", use_magic=value)
    assert "use_magic: found" in say(tmp_path / "adapter")


def test_fan_in_fan_out_is_false_for_linear_layers_as_in_peft(tmp_path, base):
    make_adapter(tmp_path / "adapter", base, r=4)
    edit_config(tmp_path / "adapter", fan_in_fan_out=True)
    assert "fan_in_fan_out: found true, taken as false" in say(tmp_path / "adapter")
    expect_same_as_peft(tmp_path / "adapter", tmp_path, base)


def test_keys_that_say_nothing_and_known_ones_are_passed(tmp_path):
    make_adapter(tmp_path / "adapter", r=4)
    edit_config(tmp_path / "adapter", a=None, b=False, c="", d=[], e={}, init_lora_weights="orthogonal", inference_mode=False)
    assert "warning" not in say(tmp_path / "adapter")


@pytest.mark.parametrize("changes, key", [
    ({"init_lora_weights": "pissa_niter_16"}, "init_lora_weights"), ({"init_lora_weights": "olora"}, "init_lora_weights"),
    ({"init_lora_weights": "corda"}, "init_lora_weights"), ({"init_lora_weights": "mica"}, "init_lora_weights"),
    ({"bias": "lora_only"}, "bias"), ({"use_qalora": True}, "use_qalora"), ({"trainable_token_indices": [1]}, "trainable_token_indices"),
    ({"peft_type": "ADALORA"}, "peft_type"), ({"layers_to_transform": "1"}, "layers_to_transform"), ({"layers_to_transform": [-1]}, "layers_to_transform"),
    ({"exclude_modules": {"a": 1}}, "exclude_modules"), ({"target_modules": ".*q_proj", "layers_to_transform": [0]}, "layers_to_transform"),
])
def test_what_changes_the_meaning_is_refused_by_name(tmp_path, changes, key):
    make_adapter(tmp_path / "adapter", r=4)
    edit_config(tmp_path / "adapter", **changes)
    result = ingot("generate", "--model", STORIES, "--adapter", tmp_path / "adapter", "--prompt", "Once", check=False)
    assert result.returncode == 3 and key in result.stderr, result.stderr


@pytest.mark.parametrize("keys, wanted", [
    ({"lora_target": "q_prj"}, "did you mean q_proj?"), ({"lora_target": ["q_proj", "self_attn.vproj"]}, "did you mean v_proj?"),
    ({"additional_target": ["lm_hed"]}, "lm_hed"), ({"additional_target": ["embed_token"]}, "did you mean embed_tokens?"),
])
def test_a_wrong_name_is_refused_before_a_weight_is_read(tmp_path, keys, wanted):
    base = tmp_path / "base"
    shutil.copytree(STORIES, base, ignore=shutil.ignore_patterns("*.safetensors"))
    result = ingot("train", write_config(tmp_path, **{**LORA, "model_name_or_path": str(base), **keys}), check=False)
    assert result.returncode == 2 and wanted in result.stderr, result.stderr
    assert "loading weights" not in result.stderr and not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["all-linear", "All-Linear"])
def test_all_linear_is_every_linear_layer_but_the_head(tmp_path, base, name):
    make_adapter(tmp_path / "first", base, r=4, target_modules="all-linear")
    edit_config(tmp_path / "first", target_modules=name)
    expect_same_as_peft(tmp_path / "first", tmp_path, base)
    assert "warning" not in say(tmp_path / "first")
    run = train(tmp_path / "a", model_name_or_path=str(base), adapter_name_or_path=str(tmp_path / "first"), lora_rank=None, max_steps=2)
    expect_same_as_peft(run / "adapter", tmp_path, base)
