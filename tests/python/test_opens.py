"""Every file of a model is opened once, whatever a job needs of it."""

import collections
import json
import pathlib
import re
import shutil
import subprocess

import pytest
import safetensors.torch
from conftest import INGOT, ROOT, STORIES, ingot, write_config
from test_folders import texts, tiny

WEIGHTS = "model.safetensors"


def opens(folder, *command, status=0):
    """name -> how often the command and its children open that file of the folder to read it; `status` is how it ends."""
    trace = folder.parent / "trace"
    result = subprocess.run(["strace", "-f", "-qq", "-e", "trace=open,openat,openat2", "-o", trace, INGOT, *map(str, command)],
                            capture_output=True, text=True, check=False, cwd=ROOT, input="Once\n")
    assert result.returncode == status, result.stderr[-3000:]
    found = collections.Counter()
    for path, opened in re.findall(r'open(?:at2?)?\(.*?"([^"]*)".*?\) = (-?\d+)', trace.read_text()):
        if int(opened) >= 0 and pathlib.Path(path).parent == folder:
            found[pathlib.Path(path).name] += 1
    return found


def chats(file):
    file.write_text("".join(json.dumps({"instruction": f"Tell me of number {i}", "output": "Once there was a cat. " * 3}) + "\n"
                            for i in range(40)))
    return file


@pytest.fixture
def base(tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not there")
    probe = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"strace cannot trace here: {probe.stderr.strip()}")
    return tiny(tmp_path / "model")


def sft(folder, base, **keys):
    return write_config(folder, model_name_or_path=str(base), stage="sft", template="default", dataset=str(chats(folder / "chats.jsonl")),
                        max_steps=2, val_size=0.2, sample_prompts=["Who are you?"], sample_max_new_tokens=4, **keys)


def test_the_counter_sees_a_file_that_is_opened_twice(tmp_path, base):
    """The control of the tests below: two commands in one shell."""
    found = collections.Counter()
    for _ in range(2):
        found += opens(base, "tokenize", "--model", base)
    assert found["tokenizer.model"] == 2 and found[WEIGHTS] == 0


def test_a_lora_run_opens_the_base_once_from_its_start_to_the_merged_export(tmp_path, base):
    found = opens(base, "train", sft(tmp_path, base, finetuning_type="lora"))
    assert (tmp_path / "run/model" / WEIGHTS).exists() and (tmp_path / "run/adapter").exists()
    assert found[WEIGHTS] == 1
    assert max(found.values()) == 1, found


def test_a_full_run_of_stage_sft_opens_weights_and_tokenizer_once(tmp_path, base):
    found = opens(base, "train", sft(tmp_path, base))
    assert found[WEIGHTS] == 1 and found["tokenizer.model"] == 1
    assert max(found.values()) == 1, found


def test_pretraining_opens_weights_and_tokenizer_once(tmp_path, base):
    config = write_config(tmp_path, model_name_or_path=str(base), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=2, val_size=0.2)
    found = opens(base, "train", config)
    assert found[WEIGHTS] == 1 and found["tokenizer.model"] == 1
    assert max(found.values()) == 1, found


def test_a_full_resume_does_not_open_the_base_weights(tmp_path, base):
    config = sft(tmp_path, base, save_steps=1)
    ingot("train", config)
    whole = safetensors.torch.load_file(tmp_path / "run/model" / WEIGHTS)
    shutil.rmtree(tmp_path / "run/checkpoints/iter_0000002")
    shutil.rmtree(tmp_path / "run/model")
    found = opens(base, "train", config)
    assert found[WEIGHTS] == 0 and found["tokenizer.model"] == 1
    again = safetensors.torch.load_file(tmp_path / "run/model" / WEIGHTS)
    assert all(whole[name].equal(again[name]) for name in whole)


def test_a_full_resume_of_a_model_whose_head_is_its_own_keeps_the_head(tmp_path):
    """config.json says tied, the file holds another head: what decided that is not opened again."""
    base = tiny(tmp_path / "model")
    stated = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**stated, "tie_word_embeddings": True}))
    config = sft(tmp_path, base, save_steps=1)
    ingot("train", config)
    whole = safetensors.torch.load_file(tmp_path / "run/model" / WEIGHTS)
    shutil.rmtree(tmp_path / "run/checkpoints/iter_0000002")
    shutil.rmtree(tmp_path / "run/model")
    ingot("train", config)
    again = safetensors.torch.load_file(tmp_path / "run/model" / WEIGHTS)
    assert not whole["lm_head.weight"].equal(whole["model.embed_tokens.weight"])
    assert all(whole[name].equal(again[name]) for name in whole)


def test_a_lora_resume_opens_the_base_once(tmp_path, base):
    config = sft(tmp_path, base, finetuning_type="lora", save_steps=1)
    ingot("train", config)
    shutil.rmtree(tmp_path / "run/checkpoints/iter_0000002")
    assert opens(base, "train", config)[WEIGHTS] == 1


@pytest.mark.parametrize("command", [["generate", "--prompt", "Once", "--max-new-tokens", "2"], ["eval", "--data", "{data}"]])
def test_other_jobs_open_each_file_once(tmp_path, base, command):
    data = texts(tmp_path / "a.jsonl", count=3)
    found = opens(base, command[0], "--model", base, *[part.format(data=data) for part in command[1:]])
    assert found[WEIGHTS] == 1 and max(found.values()) == 1, found


@pytest.mark.parametrize("data, status", [("notes.md", 3), ("absent.jsonl", 2), ("empty", 3), ("column.csv", 3)])
def test_data_that_cannot_be_scored_costs_no_weight(tmp_path, base, data, status):
    (tmp_path / "notes.md").write_text("# Notes")
    (tmp_path / "empty").mkdir()
    (tmp_path / "column.csv").write_text("body\nOnce upon a time\n")
    good = texts(tmp_path / "a.jsonl", count=3)
    assert opens(base, "eval", "--model", base, "--data", good, "--data", tmp_path / data, status=status)[WEIGHTS] == 0


def test_a_template_that_is_not_there_costs_no_weight(tmp_path, base):
    assert opens(base, "eval", "--model", base, "--data", chats(tmp_path / "chats.jsonl"), status=2)[WEIGHTS] == 0
