"""Weights and configs that disagree, values that do not fit, and where answers end; against the installed transformers."""

import json
import os
import shutil
import subprocess

import pytest
import safetensors.torch
import torch
import transformers
from conftest import INGOT, ROOT, STORIES, ingot, write_config
from test_folders import texts, tiny, weights_of
from test_llama_parity import make_request, probe, reference


def rewritten(folder, change):
    weights = weights_of(folder)
    change(weights)
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def other_head(weights):
    torch.manual_seed(9)
    weights["lm_head.weight"] = torch.randn_like(weights["model.embed_tokens.weight"])


def head_alone(weights):
    weights["lm_head.weight"] = weights.pop("model.embed_tokens.weight")


def scored(folder, tmp_path):
    """Loss of a text by ingot and by transformers."""
    ids = torch.randint(3, 500, (1, 40), generator=torch.Generator().manual_seed(1))
    file = tmp_path / "ids.jsonl"
    file.write_text(json.dumps({"input_ids": ids[0].tolist()}) + "\n")
    found = json.loads(ingot("eval", "--model", folder, "--data", file, "--json", "--precision", "fp32").stdout)["loss"]
    model = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return found, model(input_ids=ids, labels=ids).loss.item()


@pytest.mark.parametrize("change", [other_head, head_alone, lambda weights: None], ids=["other head", "head alone", "embedding alone"])
def test_the_tie_is_what_transformers_makes_of_config_and_file(tmp_path, change):
    model = rewritten(tiny(tmp_path / "model", tie_word_embeddings=True, initializer_range=0.2), change)
    found, wanted = scored(model, tmp_path)
    assert abs(found - wanted) <= 1e-5
    ingot("train", write_config(tmp_path, model_name_or_path=str(model), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=1, learning_rate=0))
    assert (tmp_path / "run/model/model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    ingot("train", write_config(tmp_path, model_name_or_path=str(model), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=2, output_dir=str(tmp_path / "two")))
    trained = weights_of(tmp_path / "two/model")
    assert trained.keys() == weights_of(model).keys()
    if change is other_head:
        assert not trained["lm_head.weight"].equal(trained["model.embed_tokens.weight"])
        found, wanted = scored(tmp_path / "two/model", tmp_path)
        assert abs(found - wanted) <= 1e-5


@pytest.mark.parametrize("way", ["train", "export", "merge"])
def test_a_value_beyond_half_precision_is_refused_by_name(tmp_path, way):
    def large(weights):
        weights["model.layers.1.mlp.up_proj.weight"][3, 5] = 1e5

    model = rewritten(tiny(tmp_path / "model"), large)
    if way == "merge":
        from lora_support import make_adapter
        make_adapter(tmp_path / "adapter", base=model)
        result = ingot("convert", "--from", model, "--adapter", tmp_path / "adapter", "--to", tmp_path / "out", "--dtype", "float16", check=False)
    else:
        config = write_config(tmp_path, model_name_or_path=str(model), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=1,
                              **({"export_dtype": "float16"} if way == "train" else {}))
        result = ingot("train", config, check=False)
        if way == "export":
            result = ingot("export", tmp_path / "run", "--to", tmp_path / "out", "--dtype", "float16", check=False)
    assert result.returncode == 3 and "model.layers.1.mlp.up_proj.weight" in result.stderr and "float16" in result.stderr, result.stderr
    assert "100000" in result.stderr.replace(",", "") or "99999" in result.stderr or "1e+05" in result.stderr
    assert not (tmp_path / "out").exists()


def test_generation_ends_at_every_id_of_the_generation_config(tmp_path):
    model = tiny(tmp_path / "model", initializer_range=0.3)
    free = json.loads(ingot("generate", "--model", model, "--prompt", "Once", "--max-new-tokens", 30, "--ignore-eos", "--json").stdout)["ids"]
    stop = free[4]
    (model / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, stop]}))
    ids = json.loads(ingot("generate", "--model", model, "--prompt", "Once", "--max-new-tokens", 30, "--json").stdout)["ids"]
    assert ids == free[:free.index(stop) + 1]
    (model / "generation_config.json").write_text(json.dumps({"eos_token_id": "two"}))
    result = ingot("generate", "--model", model, "--prompt", "Once", check=False)
    assert result.returncode == 2 and "generation_config.json" in result.stderr and "eos_token_id" in result.stderr


@pytest.mark.parametrize("value, fits", [(65504, True), (-65504, True), (65505, False), (-65519, False)])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_half_precision_ends_at_its_largest_value(tmp_path, value, fits, method):
    def large(weights):
        weights["model.layers.1.mlp.up_proj.weight"][3, 5] = value

    model = rewritten(tiny(tmp_path / "model"), large)
    result = ingot("train", write_config(tmp_path, model_name_or_path=str(model), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=1, learning_rate=0,
                                         finetuning_type=method, export_dtype="float16"), check=False)
    assert (result.returncode == 0) == fits, result.stderr
    if not fits:
        assert result.returncode == 3 and f"up_proj.weight: found the value {value}, which is beyond" in result.stderr, result.stderr


@pytest.mark.parametrize("method", ["full", "lora"])
def test_weights_that_are_no_numbers_are_named_when_they_are_read(tmp_path, method):
    def spoilt(value):
        def change(weights):
            weights["model.layers.1.mlp.up_proj.weight"][3, 5] = value
        return change

    keys = {"dataset": str(texts(tmp_path / "a.jsonl")), "max_steps": 1, "finetuning_type": method}
    model = rewritten(tiny(tmp_path / "model"), spoilt(float("nan")))
    result = ingot("train", write_config(tmp_path, model_name_or_path=str(model), **keys), check=False)
    assert result.returncode == 3 and f"{model}/model.safetensors: model.layers.1.mlp.up_proj.weight: holds NaN" in result.stderr, result.stderr
    model = rewritten(tiny(tmp_path / "model"), spoilt(float("inf")))
    said = ingot("generate", "--model", model, "--prompt", "a", "--max-new-tokens", 1, check=False).stderr
    assert f"{model}/model.safetensors: model.layers.1.mlp.up_proj.weight holds infinite values" in said, said


@pytest.mark.parametrize("kind, name", [(torch.int8, "I8"), (torch.uint8, "U8"), (torch.bool, "BOOL")], ids=["int8", "uint8", "bool"])
@pytest.mark.parametrize("way", ["train", "lora", "eval", "generate", "merge", "bin"])
def test_a_weight_stored_as_integers_is_refused_by_its_type(tmp_path, kind, name, way):
    def quantized(weights):
        weights["model.layers.1.mlp.up_proj.weight"] = (weights["model.layers.1.mlp.up_proj.weight"] * 99).to(kind)

    model, file = rewritten(tiny(tmp_path / "model"), quantized), "model.safetensors"
    if way == "bin":
        file = "pytorch_model.bin"
        torch.save(weights_of(model), model / file)
        (model / "model.safetensors").unlink()
    text = texts(tmp_path / "a.jsonl")
    config = write_config(tmp_path, model_name_or_path=str(model), dataset=str(text), max_steps=1, finetuning_type="lora" if way == "lora" else "full")
    arguments = {"eval": ["eval", "--model", model, "--data", text], "generate": ["generate", "--model", model, "--prompt", "a"],
                 "merge": ["convert", "--from", model, "--adapter", tmp_path / "adapter", "--to", tmp_path / "out", "--check-tokens", 0]}
    if way == "merge":
        from lora_support import make_adapter
        make_adapter(tmp_path / "adapter", base=tiny(tmp_path / "sound"))
    result = ingot(*arguments.get(way, ["train", config]), check=False)
    assert result.returncode == 3 and f"{model}/{file}: model.layers.1.mlp.up_proj.weight: found {name}, " in result.stderr, result.stderr
    assert "wanted F32, BF16 or F16" in result.stderr and not (tmp_path / "out").exists()


FOREIGN = b"n\xff"


@pytest.mark.parametrize("key", ["model_name_or_path", "output_dir", "dataset", "eval_dataset", "template", "lora_target"])
def test_a_name_that_is_not_utf8_is_refused_at_the_start(tmp_path, key):
    config = write_config(tmp_path, finetuning_type="lora", stage="pt" if key != "template" else "sft")
    shutil.copytree(STORIES, os.fsdecode(os.fsencode(tmp_path) + b"/" + FOREIGN))
    for arguments in ([config, "--set", key.encode() + b"=" + os.fsencode(tmp_path) + b"/" + FOREIGN], [config, "--check", "--set", key.encode() + b"=" + FOREIGN]):
        result = subprocess.run([INGOT, "train", *arguments], capture_output=True, cwd=ROOT, check=False)
        said = result.stderr.decode(errors="replace")
        assert result.returncode == 2 and f"{key}: found " in said and "wanted UTF-8" in said, said
    assert not (tmp_path / "run").exists()


def test_a_working_folder_that_is_not_utf8_is_refused_with_the_model_in_it(tmp_path):
    config = write_config(tmp_path, finetuning_type="lora", model_name_or_path="model", max_steps=1)
    place = os.fsdecode(os.fsencode(tmp_path) + b"/" + FOREIGN)
    shutil.copytree(STORIES, os.path.join(place, "model"))
    result = subprocess.run([INGOT, "train", config], capture_output=True, cwd=place, check=False)
    assert result.returncode == 2 and b"model_name_or_path: found " in result.stderr and b"wanted UTF-8" in result.stderr, result.stderr
    assert b"loading weights" not in result.stderr and not (tmp_path / "run/source").exists()


def test_a_file_of_a_name_that_is_not_utf8_is_left_behind(tmp_path):
    model = tiny(tmp_path / "model")
    with open(os.fsencode(model) + b"/" + FOREIGN, "w") as file:
        file.write("x")
    result = ingot("train", write_config(tmp_path, model_name_or_path=str(model), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=1))
    assert "a name that is not UTF-8: it does not come along" in result.stderr, result.stderr
    assert (tmp_path / "run/model/model.safetensors").exists()


def test_names_that_are_not_utf8_are_taken_where_no_run_keeps_them(tmp_path):
    run = tmp_path / "run"
    ingot("train", write_config(tmp_path, finetuning_type="lora", max_steps=1, model_name_or_path=str(tiny(tmp_path / "model")),
                                dataset=str(texts(tmp_path / "a.jsonl"))))
    base = os.fsencode(tmp_path) + b"/" + FOREIGN
    os.rename(tmp_path / "model", base)
    for flags in (["--adapter"], ["--merge"]):
        result = subprocess.run([INGOT, "export", run, "--base", base, *flags, "--to", base + flags[0].encode()], capture_output=True, check=False)
        assert result.returncode == 0, result.stderr


def test_a_last_step_that_leaves_no_numbers_is_said(tmp_path):
    result = ingot("train", write_config(tmp_path, model_name_or_path=str(tiny(tmp_path / "model")), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=1,
                                         learning_rate=1e300), check=False)
    assert result.returncode == 3 and "embed_tokens.weight: holds NaN in the newest checkpoint" in result.stderr, result.stderr
