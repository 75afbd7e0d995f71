"""What a run that is started again keeps, says and throws away, and what it survives."""

import json
import resource
import shutil
import signal
import subprocess
import time

import pytest

from conftest import INGOT, ROOT, STORIES, ingot, write_config


def texts(file, word="Once"):
    file.write_text("".join(json.dumps({"text": f"{word} upon a time there was a king number {i}. " * 8}) + "\n" for i in range(60)))
    return str(file)


def steps_of(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["step"] for line in lines if "grad_norm" in line]


def start(config, *arguments, ignoring=None):
    before = (lambda: signal.signal(ignoring, signal.SIG_IGN)) if ignoring else None
    return subprocess.Popen([INGOT, "train", str(config), *arguments], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=before)


def wait_for_steps(run, count):
    end = time.monotonic() + 120
    while not (run / "metrics.jsonl").exists() or len((run / "metrics.jsonl").read_text().splitlines()) < count:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_closed_terminal_saves_as_any_stop_does(tmp_path):
    config = write_config(tmp_path, max_steps=100000, save_steps=100000)
    process = start(config)
    wait_for_steps(tmp_path / "run", 3)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 143, process.stderr.read()
    assert list((tmp_path / "run/checkpoints").glob("iter_*"))


def test_nohup_lets_a_run_go_on(tmp_path):
    process = start(write_config(tmp_path, max_steps=60, save_steps=100000), ignoring=signal.SIGHUP)
    wait_for_steps(tmp_path / "run", 3)
    process.send_signal(signal.SIGHUP)
    assert process.wait(120) == 0, process.stderr.read()


def test_lines_of_metrics_that_cannot_be_written_cost_no_step(tmp_path):
    """One warning, and the run ends well with its checkpoint. The file is at the limit of what may be written; no other comes near."""
    config = write_config(tmp_path, max_steps=6)
    ingot("train", config, "--set", "max_steps=1")
    metrics = tmp_path / "run/metrics.jsonl"
    metrics.write_text(metrics.read_text() + json.dumps({"kind": "evaluation", "step": 1, "note": "x" * 900}) + "\n")
    metrics.write_text(metrics.read_text() * 8000)
    size = metrics.stat().st_size
    result = subprocess.run([INGOT, "train", str(config)], cwd=ROOT, capture_output=True, text=True, check=False,
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, size + 100)))
    assert result.returncode == 0 and result.stderr.count("metrics.jsonl: cannot be written") == 1, result.stderr
    assert (tmp_path / "run/checkpoints/iter_0000006").is_dir() and (tmp_path / "run/model/config.json").is_file()


def test_losses_of_other_evaluation_rows_are_dropped(tmp_path):
    """What is printed as before and after was measured with the same rows, and before is of the untrained model."""
    keys = {"dataset": texts(tmp_path / "a.jsonl"), "eval_dataset": texts(tmp_path / "e1.jsonl", "Lily"), "val_size": 0}
    config = write_config(tmp_path, max_steps=2, **keys)
    assert "before" in ingot("train", config).stdout
    other = write_config(tmp_path, max_steps=4, **{**keys, "eval_dataset": texts(tmp_path / "e2.jsonl", "zzz qqq")})
    result = ingot("train", other)
    assert "validation loss" in result.stdout and "before" not in result.stdout, result.stdout
    fresh = write_config(tmp_path, max_steps=4, output_dir=str(tmp_path / "fresh"), **{**keys, "eval_dataset": str(tmp_path / "e2.jsonl")})
    after = ingot("train", fresh).stdout.split("before, ")[1].split(" after")[0]
    assert f"validation loss {after} after 4 steps" in result.stdout


def test_an_overwrite_from_lora_to_full_leaves_no_stale_adapter(tmp_path):
    keys = {"dataset": texts(tmp_path / "a.jsonl"), "val_size": 0, "max_steps": 1}
    ingot("train", write_config(tmp_path, finetuning_type="lora", **keys))
    assert (tmp_path / "run/adapter").is_dir()
    result = ingot("train", write_config(tmp_path, overwrite_output_dir=True, **keys))
    assert not (tmp_path / "run/adapter").exists() and (tmp_path / "run/model").is_dir()
    assert "throwing away" in result.stderr and "finetuning_type" in result.stderr


def test_an_adapter_is_known_by_its_weights(tmp_path):
    keys = {"dataset": texts(tmp_path / "a.jsonl"), "val_size": 0, "finetuning_type": "lora"}
    ingot("train", write_config(tmp_path, max_steps=1, **keys))
    adapter = tmp_path / "adapter"
    shutil.copytree(tmp_path / "run/adapter", adapter)
    (adapter / "training_args.bin").write_bytes(b"of a trainer")
    keys |= {"output_dir": str(tmp_path / "second"), "adapter_name_or_path": str(adapter)}
    ingot("train", write_config(tmp_path, max_steps=1, **keys))
    (adapter / "training_args.bin").unlink()
    ingot("train", write_config(tmp_path, max_steps=2, **keys))
    assert steps_of(tmp_path / "second") == [1, 2]


@pytest.mark.parametrize("change", ["slash", "dot", "copied_base", "logging", "older_record", "rate"])
def test_a_restart_is_ones_own_however_it_is_spelled(tmp_path, change):
    base = tmp_path / "base"
    shutil.copytree(STORIES, base)
    data = texts(tmp_path / "a.jsonl")
    keys = {"dataset": data, "model_name_or_path": str(base), "val_size": 0, "overwrite_output_dir": True}
    ingot("train", write_config(tmp_path, max_steps=2, **keys))
    if change == "slash":
        keys["output_dir"] = f"{tmp_path}/run/"
    elif change == "dot":
        keys["dataset"] = f"{tmp_path}/./a.jsonl"
    elif change == "copied_base":
        shutil.copytree(base, tmp_path / "copy")
        keys["model_name_or_path"] = str(tmp_path / "copy")
    elif change == "logging":
        keys["logging_steps"] = 2
    elif change == "rate":
        keys["learning_rate"] = 5e-4
    else:
        record = json.loads((tmp_path / "run/run.json").read_text())
        record["config"] = "".join(line for line in record["config"].splitlines(True) if "resize_vocab_multiple" not in line)
        (tmp_path / "run/run.json").write_text(json.dumps(record))
    result = ingot("train", write_config(tmp_path, max_steps=4, **keys))
    assert steps_of(tmp_path / "run") == [1, 2, 3, 4] and "throwing away" not in result.stderr, result.stderr


def test_data_edited_in_place_are_another_run(tmp_path):
    keys = {"dataset": texts(tmp_path / "a.jsonl"), "val_size": 0, "overwrite_output_dir": True, "max_steps": 2}
    ingot("train", write_config(tmp_path, **keys))
    texts(tmp_path / "a.jsonl", "Never")
    result = ingot("train", write_config(tmp_path, **keys))
    assert steps_of(tmp_path / "run") == [1, 2] and "throwing away" in result.stderr and "sha256" in result.stderr, result.stderr


def test_an_export_beside_a_training_run_is_of_a_sound_checkpoint(tmp_path):
    """save_total_limit 1 removes the checkpoint that the export has begun to read."""
    process = start(write_config(tmp_path, max_steps=100000, save_steps=1, save_total_limit=1, micro_batch_size=1, global_batch_size=1, cutoff_len=16))
    wait_for_steps(tmp_path / "run", 3)
    for i in range(15):
        result = ingot("export", tmp_path / "run", "--to", tmp_path / f"out{i}", check=False)
        assert result.returncode == 0 and "damaged" not in result.stderr, result.stderr
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143


def test_a_value_of_the_command_line_is_one_value(tmp_path):
    """No comment is cut off, and no second key comes in."""
    config = write_config(tmp_path)
    told = ingot("train", "--check", config, "--set", f"output_dir={tmp_path}/run # 2").stdout
    assert f'{tmp_path}/run # 2' in told
    result = ingot("train", "--check", config, "--set", "max_steps=2\nlearning_rate=1", check=False)
    assert result.returncode == 2 and "wanted a value of one line" in result.stderr
    assert "learning_rate: 0.5" in ingot("train", "--check", config, "--set", "learning_rate=0.5").stdout


@pytest.mark.parametrize("name", ["config.yaml", "template.yaml"])
def test_a_second_yaml_document_is_refused(tmp_path, name):
    (tmp_path / "template.yaml").write_text('user: "U {content}\\n"\nassistant: "{content}\\n"\n')
    (tmp_path / "a.jsonl").write_text('{"query": "q", "response": "a"}\n')
    config = write_config(tmp_path, stage="sft", dataset=str(tmp_path / "a.jsonl"), template=str(tmp_path / "template.yaml"))
    ingot("train", "--check", config)
    with (tmp_path / name).open("a") as file:
        file.write("---\nsystem: S\n")
    result = ingot("train", "--check", config, check=False)
    assert result.returncode == 2 and name in result.stderr and "wanted one" in result.stderr, result.stderr


def test_a_changed_generation_config_is_said(tmp_path):
    base = tmp_path / "base"
    shutil.copytree(STORIES, base)
    config = write_config(tmp_path, model_name_or_path=str(base), dataset=texts(tmp_path / "a.jsonl"), max_steps=1)
    ingot("train", config)
    assert "generation_config.json" not in ingot("train", config).stderr
    (base / "generation_config.json").write_text('{"eos_token_id": 2, "temperature": 0.5}')
    assert ingot("train", config).stderr.count("the run keeps the generation_config.json that it started with") == 1


def test_changed_weights_are_named_as_that(tmp_path):
    base = tmp_path / "base"
    shutil.copytree(STORIES, base)
    config = write_config(tmp_path, model_name_or_path=str(base), dataset=texts(tmp_path / "a.jsonl"), max_steps=1)
    ingot("train", config)
    weights = bytearray((base / "model.safetensors").read_bytes())
    weights[-3] ^= 1
    (base / "model.safetensors").write_bytes(weights)
    assert f'the weights in "{base}" have changed' in ingot("train", config, check=False).stderr


def test_a_stop_while_prompts_are_answered_says_so(tmp_path):
    config = write_config(tmp_path, sample_prompts=["Once upon a time"] * 2000, sample_max_new_tokens=200)
    process = start(config)
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert "while answering sample_prompts, nothing is lost" in process.communicate(timeout=60)[1] and process.returncode == 143
