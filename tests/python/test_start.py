"""`train --check` and the start of `train` refuse what would fail later: before weights are read and anything is written."""

import json
import re
import subprocess

import pytest
import torch
import transformers

from conftest import STORIES, ingot, write_config
from test_errors import CONFIG, DATA, error_of

CHECK_AND_START = pytest.mark.parametrize("flags", [["--check"], []], ids=["check", "start"])


def nothing_was_written(folder):
    return not (folder / "run").exists()


@CHECK_AND_START
@pytest.mark.parametrize("keys, found", [
    ({"lr_scheduler_type": "wsd"}, "lr_wsd_decay_steps: found 0, wanted 1 or more"),
    ({"lr_scheduler_type": "wsd", "lr_wsd_decay_steps": 7}, "lr_wsd_decay_steps: found 7, wanted at most the 6 steps"),
    ({"lr_scheduler_type": "wsd", "warmup_steps": 4, "lr_wsd_decay_steps": 3}, "at most the 2 steps after the warm-up"),
    ({"lr_scheduler_type": "wsd", "max_steps": 0}, "lr_wsd_decay_steps: found 0"),
    ({"warmup_steps": 6}, "warmup_steps: found 6, wanted fewer than all 6 steps"),
    ({"router_aux_loss_coef": 0.01}, "router_aux_loss_coef: found 0.01, wanted none: a LlamaForCausalLM has no experts"),
    ({"finetuning_type": "lora", "lora_target": "q_prj"}, "lora_target: found q_prj"),
    ({"finetuning_type": "lora", "additional_target": "lm_hed"}, "additional_target: found lm_hed"),
])
def test_a_key_that_would_fail_later_is_refused(tmp_path, flags, keys, found):
    assert found in error_of(ingot("train", write_config(tmp_path, **keys), *flags, check=False), CONFIG)
    assert nothing_was_written(tmp_path)


def test_all_of_them_come_at_once(tmp_path):
    result = ingot("train", write_config(tmp_path, lr_scheduler_type="wsd", warmup_steps=9, router_aux_loss_coef=1), "--check", check=False)
    assert result.returncode == CONFIG
    for key in ["lr_wsd_decay_steps", "warmup_steps", "router_aux_loss_coef"]:
        assert key in result.stderr


@CHECK_AND_START
def test_an_adapter_that_does_not_fit_is_refused(tmp_path, flags):
    from lora_support import make_adapter
    base, adapter = tmp_path / "other", tmp_path / "adapter"
    config = transformers.AutoConfig.from_pretrained(STORIES)
    config.hidden_size = 128
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(base)
    make_adapter(adapter, base=base, target_modules=["q_proj"])
    result = ingot("train", write_config(tmp_path, finetuning_type="lora", adapter_name_or_path=str(adapter)), *flags, check=False)
    assert "lora_A" in error_of(result, DATA)
    assert nothing_was_written(tmp_path)


@CHECK_AND_START
def test_an_output_dir_of_foreign_files_is_refused(tmp_path, flags):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/thesis.txt").write_text("mine")
    assert "thesis.txt" in error_of(ingot("train", write_config(tmp_path), *flags, check=False), CONFIG)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


@CHECK_AND_START
@pytest.mark.parametrize("folder", ["file/run", "file"])
def test_an_output_dir_behind_a_file_is_refused(tmp_path, flags, folder):
    (tmp_path / "file").write_text("in the way")
    message = error_of(ingot("train", write_config(tmp_path, output_dir=str(tmp_path / folder)), *flags, check=False), CONFIG)
    assert f"output_dir: {tmp_path / folder}: cannot be written: Not a directory" in message


@CHECK_AND_START
def test_an_output_dir_on_a_disk_for_reading_alone_is_refused(tmp_path, flags):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here: " + mounted.stderr.strip())
    try:
        message = error_of(ingot("train", write_config(tmp_path, output_dir=str(disk / "run")), *flags, check=False), CONFIG)
        assert f"output_dir: {disk / 'run'}: cannot be written: Read-only file system" in message
    finally:
        subprocess.run(["umount", disk], check=True)


def stories(text="Once upon a time there was a boy who had a ball.\n", times=40):
    return text * times


@pytest.mark.parametrize("stage", ["pt", "sft"])
@pytest.mark.parametrize("val_size, found", [(1000, "none of"), (0.999, "none of"), (0.001, "to evaluate with")])
def test_a_val_size_that_leaves_nothing_is_refused_before_weights_are_read(tmp_path, stage, val_size, found):
    data = tmp_path / ("data.txt" if stage == "pt" else "data.jsonl")
    records = [json.dumps({"instruction": f"Say {i}.", "output": f"It is {i}."}) for i in range(20)]
    data.write_text(stories() if stage == "pt" else "\n".join(records))
    keys = {"template": "default", "cutoff_len": 256} if stage == "sft" else {}
    result = ingot("train", write_config(tmp_path, stage=stage, dataset=str(data), val_size=val_size, **keys), check=False)
    message = error_of(result, CONFIG)
    assert f"val_size: found {val_size}" in message and found in message
    assert "loading weights" not in result.stderr and "parameters" not in result.stderr


def test_a_schedule_that_the_rows_leave_no_room_for_is_refused_before_weights_are_read(tmp_path):
    (tmp_path / "data.txt").write_text(stories())
    config = write_config(tmp_path, dataset=str(tmp_path / "data.txt"), max_steps=0, num_train_epochs=1, warmup_steps=1000)
    result = ingot("train", config, check=False)
    assert "warmup_steps: found 1000, wanted fewer than all" in error_of(result, CONFIG)
    assert " M parameters" not in result.stderr


def test_an_evaluation_set_shorter_than_a_row_is_evaluated_on_all_its_labels(tmp_path):
    (tmp_path / "eval.txt").write_text("Once upon a time")
    result = ingot("train", write_config(tmp_path, eval_dataset=str(tmp_path / "eval.txt"), cutoff_len=256, max_steps=1))
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    tokens = {line["eval_tokens"] for line in lines if "eval_loss" in line}
    assert tokens == {int(re.search(r"data/eval\S*: (\d+) tokens", result.stderr)[1]) - 1}


def test_an_evaluation_set_of_one_token_is_refused_by_name(tmp_path):
    (tmp_path / "eval.txt").write_text("a")
    config = write_config(tmp_path, eval_dataset=str(tmp_path / "eval.txt"), append_eod=False)
    result = ingot("train", config, check=False)
    assert "eval_dataset: found 1 token" in error_of(result, DATA) and " M parameters" not in result.stderr


def edit_model(folder, **keys):
    model = folder / "model"
    model.mkdir()
    for file in STORIES.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, **keys}))
    return str(model)


@pytest.mark.parametrize("keys, cutoff_len, warned", [
    ({}, 512, False), ({}, 513, True),
    ({"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, 1024, False), ({"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, 1025, True),
    ({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, 4096, False), ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, 2048, False),
])
def test_rows_longer_than_the_models_positions_get_one_line(tmp_path, keys, cutoff_len, warned):
    config = write_config(tmp_path, model_name_or_path=edit_model(tmp_path, **keys), cutoff_len=cutoff_len)
    lines = [line for line in ingot("train", config, "--check").stderr.splitlines() if "max_position_embeddings" in line]
    assert len(lines) == warned and all(f"cutoff_len: {cutoff_len} tokens" in line for line in lines)
