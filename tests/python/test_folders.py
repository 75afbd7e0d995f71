"""No folder of anybody else's is touched, and no run goes on from another's."""

import json
import os
import shutil

import pytest
import safetensors.torch
import torch
import transformers
from conftest import STORIES, ingot, write_config

SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
         "vocab_size": 512, "max_position_embeddings": 128, "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2}


def tiny(folder, seed=0, dtype=torch.float32, **changes):
    """A random Llama with the tokenizer of stories260K."""
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(**{**SIZES, **changes})
    transformers.LlamaForCausalLM(config).to(dtype).save_pretrained(folder)
    for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(STORIES / name, folder)
    return folder


def texts(file, count=40, word="once"):
    file.write_text("".join(json.dumps({"text": f"{word} upon a time number {i} " * 5}) + "\n" for i in range(count)))
    return file


def snapshot(folder):
    """Every path below with its bytes, links as what they say."""
    found = {}
    for root, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = os.path.join(root, name)
            found[path] = os.readlink(path) if os.path.islink(path) else open(path, "rb").read() if os.path.isfile(path) else None
    return found


def weights_of(folder):
    return safetensors.torch.load_file(folder / "model.safetensors")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="module")
def run(tmp_path_factory, base):
    folder = tmp_path_factory.mktemp("run")
    config = write_config(folder, model_name_or_path=str(base), dataset=str(texts(folder / "a.jsonl")), max_steps=2)
    ingot("train", config)
    return folder / "run"


@pytest.mark.parametrize("form", ["plain", "slash", "link", "cwd", "root"])
@pytest.mark.parametrize("verb", ["export", "convert", "train", "preprocess"])
def test_a_foreign_folder_is_refused_and_left_as_it_is(tmp_path, run, base, verb, form):
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    (home / ".profile").write_text("x")
    (home / "config.json").write_text("{}")
    (home / "work/thesis.tex").write_text("years of work")
    os.symlink(home, tmp_path / "link")
    target = {"plain": home, "slash": f"{home}/", "link": tmp_path / "link", "cwd": f"{home}/work/..", "root": "/"}[form]
    before = snapshot(tmp_path)
    if verb in ("train", "preprocess"):
        config = write_config(tmp_path, model_name_or_path=str(base), dataset=str(texts(tmp_path / "a.jsonl")), output_dir=str(target))
        before = snapshot(tmp_path)
        result = ingot(verb, config, check=False)
    elif verb == "convert":
        from lora_support import make_adapter
        make_adapter(tmp_path / "adapter", base=base)
        before = snapshot(tmp_path)
        result = ingot("convert", "--from", base, "--adapter", tmp_path / "adapter", "--to", target, check=False)
    else:
        result = ingot("export", run, "--to", target, check=False)
    assert result.returncode == 2 and len([line for line in result.stderr.splitlines() if "error" in line]) == 1, result.stderr
    assert snapshot(tmp_path) == before and not os.path.exists("/.lock") and not os.path.exists("/data")


def test_an_export_replaces_an_export_but_not_what_came_into_it(tmp_path, run):
    target = tmp_path / "out"
    for form in (target, f"{target}/"):
        ingot("export", run, "--to", form)
    (target / "notes.txt").write_text("mine")
    result = ingot("export", run, "--to", target, check=False)
    assert result.returncode == 2 and "notes.txt" in result.stderr
    assert (target / "notes.txt").read_text() == "mine"


def test_a_try_that_failed_leaves_nothing_that_rules_the_next(tmp_path):
    """The first try has no data; the next has another model, and its export must be of that one."""
    two, three = tiny(tmp_path / "two"), tiny(tmp_path / "three", seed=1, num_hidden_layers=3, rope_theta=5e5)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    assert ingot("train", write_config(tmp_path, model_name_or_path=str(two), dataset=str(empty), max_steps=1), check=False).returncode == 3
    ingot("train", write_config(tmp_path, model_name_or_path=str(three), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=1))
    assert json.loads((tmp_path / "run/model/config.json").read_text()) == json.loads((three / "config.json").read_text())
    assert {name: value.shape for name, value in weights_of(tmp_path / "run/model").items()} == {
        name: value.shape for name, value in weights_of(three).items()}


OTHER_MODELS = {"base": {"seed": 1}, "depth": {"num_hidden_layers": 3}, "width": {"intermediate_size": 64}, "rope": {"rope_theta": 5e5},
                "dtype": {"dtype": torch.bfloat16}}
OTHER_KEYS = {"seed": {"seed": 7}, "from scratch": {"train_from_scratch": True}, "adapter": {"finetuning_type": "lora"},
              "precision": {"precision": "bf16"}, "cutoff": {"cutoff_len": 32}, "batch": {"global_batch_size": 8}}


@pytest.mark.parametrize("change", [*OTHER_MODELS, *OTHER_KEYS, "data", "tokenizer", "stage", "template"])
def test_a_run_never_goes_on_as_another(tmp_path, base, change):
    keys = {"model_name_or_path": str(base), "dataset": str(texts(tmp_path / "a.jsonl")), "max_steps": 2}
    talk = tmp_path / "talk.jsonl"
    talk.write_text('{"instruction":"Say yes","input":"","output":"yes"}\n' * 40)
    if change == "template":
        keys.update(stage="sft", template="alpaca", dataset=str(talk), cutoff_len=128)
    ingot("train", write_config(tmp_path, **keys))
    before = snapshot(tmp_path / "run/checkpoints")
    if change in OTHER_MODELS:
        keys["model_name_or_path"] = str(tiny(tmp_path / "other", **OTHER_MODELS[change]))
    elif change == "data":
        keys["dataset"] = str(texts(tmp_path / "b.jsonl", word="twice"))
    elif change == "tokenizer":
        shutil.copytree(base, tmp_path / "other")
        config = json.loads((base / "tokenizer_config.json").read_text())
        (tmp_path / "other/tokenizer_config.json").write_text(json.dumps({**config, "add_bos_token": False}))
        keys["model_name_or_path"] = str(tmp_path / "other")
    elif change == "stage":
        keys.update(stage="sft", template="alpaca", dataset=str(talk), cutoff_len=128)
    elif change == "template":
        keys["template"] = "default"
    else:
        keys.update(OTHER_KEYS[change])
    config = write_config(tmp_path, **{**keys, "max_steps": 4})
    result = ingot("train", config, check=False)
    assert result.returncode == 2 and "overwrite_output_dir: true" in result.stderr and "another output_dir" in result.stderr, result.stderr
    assert snapshot(tmp_path / "run/checkpoints") == before
    ingot("train", config, "--set", "overwrite_output_dir=true")  # the way out
    exported = transformers.AutoConfig.from_pretrained(tmp_path / "run/model")
    wanted = transformers.AutoConfig.from_pretrained(keys["model_name_or_path"])
    assert {**exported.to_dict(), "_name_or_path": 0} == {**wanted.to_dict(), "_name_or_path": 0}


def test_a_moved_base_is_the_same_base(tmp_path, base):
    keys = {"dataset": str(texts(tmp_path / "a.jsonl"))}
    ingot("train", write_config(tmp_path, model_name_or_path=str(base), max_steps=2, **keys))
    shutil.copytree(base, tmp_path / "moved")
    ingot("train", write_config(tmp_path, model_name_or_path=str(tmp_path / "moved"), max_steps=3, **keys))


def test_overwriting_keeps_ones_own_restart(tmp_path, base):
    """A scheduler starts the same job again: its checkpoints are not what another run left."""
    config = write_config(tmp_path, model_name_or_path=str(base), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=4,
                          overwrite_output_dir=True)
    ingot("train", config)
    again = ingot("train", config)
    assert "this very run was started again" in again.stderr and "resuming after step 4" in again.stderr
    for same in (f"output_dir={tmp_path}/run/", f"dataset={tmp_path}/./a.jsonl", "logging_steps=2", "learning_rate=0.002"):
        assert "resuming after step 4" in ingot("train", config, "--set", same).stderr, same
    other = ingot("train", config, "--set", "seed=7")
    assert "resuming" not in other.stderr and "throwing away" in other.stderr and "seed: found 7, wanted 42" in other.stderr


def test_overwriting_throws_away_a_run_of_data_that_was_edited(tmp_path, base):
    config = write_config(tmp_path, model_name_or_path=str(base), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=2, overwrite_output_dir=True)
    ingot("train", config)
    texts(tmp_path / "a.jsonl", word="edited")
    other = ingot("train", config)
    assert "resuming" not in other.stderr and "sha256 of the dataset's tokens" in other.stderr


def test_stages_follow_one_another_with_dtype_and_tie(tmp_path):
    """pt -> sft -> lora -> merge -> sft of a tied bfloat16 model; float32 where it is asked for, and kept from then on."""
    model = tiny(tmp_path / "base", dtype=torch.bfloat16, tie_word_embeddings=True)
    talk = tmp_path / "talk.jsonl"
    talk.write_text('{"instruction":"Say yes","input":"","output":"yes"}\n' * 40)
    pt = {"dataset": str(texts(tmp_path / "a.jsonl")), "max_steps": 2}
    sft = {"stage": "sft", "template": "alpaca", "dataset": str(talk), "max_steps": 2, "cutoff_len": 128}
    stages = [(pt, "bfloat16"), ({**sft, "export_dtype": "float32"}, "float32"), ({**sft, "finetuning_type": "lora"}, "float32"), (sft, "float32"), (pt, "float32")]
    for number, (keys, dtype) in enumerate(stages):
        (tmp_path / str(number)).mkdir()
        ingot("train", write_config(tmp_path / str(number), model_name_or_path=str(model), **keys))
        model = tmp_path / str(number) / "run/model"
        weights = weights_of(model)
        assert {str(value.dtype) for value in weights.values()} == {f"torch.{dtype}"}, number
        config = json.loads((model / "config.json").read_text())
        assert config.get("dtype", config.get("torch_dtype")) == dtype and "lm_head.weight" not in weights
        assert sorted(name for name in os.listdir(model) if not name.startswith(".")) == sorted(
            name for name in os.listdir(tmp_path / "base") if not name.startswith("."))
