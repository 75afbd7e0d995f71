"""Hostile files and wrong configurations: one clear line, the documented exit code, and nothing left behind."""

import json
import os
import pathlib
import re
import resource
import shutil
import struct
import subprocess

import pytest

from conftest import INGOT, STORIES, ingot, write_config

CONFIG, DATA, DEVICE = 2, 3, 4


def error_of(result, code):
    """The one error line of a failed command; its status is `code`."""
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if "error:" in line]
    assert len(lines) == 1, result.stderr
    assert "internal error" not in lines[0]
    return result.stderr[result.stderr.index("error:"):]


def copy_of_stories(folder):
    copy = folder / "model"
    shutil.copytree(STORIES, copy)
    return copy


def header_of(file):
    data = file.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + length]), data[8 + length:]


def write_with_header(file, header, data):
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


def truncate(file):
    file.write_bytes(file.read_bytes()[:-100])


def header_length_2_to_63(file):
    file.write_bytes(struct.pack("<Q", 1 << 63) + file.read_bytes()[8:])


def overlapping_offsets(file):
    header, data = header_of(file)
    names = sorted((name for name in header if name != "__metadata__"), key=lambda name: header[name]["data_offsets"])
    header[names[1]]["data_offsets"] = [offset - 4 for offset in header[names[1]]["data_offsets"]]
    write_with_header(file, header, data)


def missing_tensor(file):
    header, data = header_of(file)
    header["renamed"] = header.pop("model.norm.weight")
    write_with_header(file, header, data)


def not_json(file):
    file.write_bytes(struct.pack("<Q", 8) + b"{broken}")


def empty(file):
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, header_length_2_to_63, overlapping_offsets, missing_tensor, not_json, empty])
def test_damaged_safetensors_are_refused(tmp_path, damage):
    model = copy_of_stories(tmp_path)
    damage(model / "model.safetensors")
    message = error_of(ingot("generate", "--model", model, "--prompt", "Once", check=False), DATA)
    assert "model" in message


def test_an_index_that_points_outside_the_folder_is_refused(tmp_path):
    model = copy_of_stories(tmp_path)
    header, _ = header_of(model / "model.safetensors")
    shutil.move(model / "model.safetensors", tmp_path / "outside.safetensors")
    index = {"metadata": {}, "weight_map": {name: "../outside.safetensors" for name in header if name != "__metadata__"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "outside" in error_of(ingot("generate", "--model", model, "--prompt", "Once", check=False), DATA)


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    model = copy_of_stories(tmp_path)
    shutil.move(model / "model.safetensors", tmp_path / "outside.safetensors")
    os.symlink("../outside.safetensors", model / "model.safetensors")
    assert "outside" in error_of(ingot("generate", "--model", model, "--prompt", "Once", check=False), DATA)


def test_a_wrong_shape_names_the_parameter(tmp_path):
    model = copy_of_stories(tmp_path)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "intermediate_size": 180}))
    message = error_of(ingot("generate", "--model", model, "--prompt", "Once", check=False), DATA)
    assert "mlp" in message and "180" in message


def test_an_unknown_key_is_refused_with_the_nearest_one(tmp_path):
    message = error_of(ingot("train", write_config(tmp_path, learning_rat=1), check=False), CONFIG)
    assert "learning_rat" in message and "did you mean learning_rate?" in message
    assert not (tmp_path / "run").exists()


def test_all_problems_of_a_configuration_come_at_once(tmp_path):
    config = write_config(tmp_path, max_steps="many", precision="fp8", dataset="/no/such/file", global_batch_size=3)
    result = ingot("train", config, check=False)
    assert result.returncode == CONFIG
    for field in ["max_steps", "precision", "dataset", "global_batch_size"]:
        assert field in result.stderr


def test_a_missing_column_names_those_present(tmp_path):
    message = error_of(ingot("train", write_config(tmp_path, json_keys="content"), check=False), DATA)
    assert "content" in message and "text" in message


@pytest.mark.parametrize("text", ["", '{"text": ""}\n'])
def test_an_empty_data_set_is_refused(tmp_path, text):
    (tmp_path / "empty.jsonl").write_text(text)
    error_of(ingot("train", write_config(tmp_path, dataset=str(tmp_path / "empty.jsonl")), check=False), DATA)
    assert not list((tmp_path / "run").rglob("*.bin")) and not list((tmp_path / "run").rglob("*.partial"))


def test_an_output_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    message = error_of(ingot("train", write_config(tmp_path, output_dir=str(tmp_path / "file/run")), check=False), CONFIG)
    assert "file/run" in message


def test_a_changed_batch_is_not_resumed_silently(tmp_path):
    config = write_config(tmp_path)
    ingot("train", config)
    message = error_of(ingot("train", config, "--set", "cutoff_len=32", "--set", "max_steps=8", check=False), CONFIG)
    assert "cutoff_len" in message and "64" in message and "32" in message


def test_a_changed_data_set_is_not_resumed_silently(tmp_path):
    for word in ("sea", "sky"):  # the same number of rows
        (tmp_path / f"{word}.txt").write_text(f"The {word} was blue and a boy looked at the {word}.\n" * 200)
    ingot("train", write_config(tmp_path, dataset=str(tmp_path / "sea.txt"), max_steps=2))
    result = ingot("train", write_config(tmp_path, dataset=str(tmp_path / "sky.txt"), max_steps=4), check=False)
    assert "sha256 of the dataset's tokens" in error_of(result, CONFIG)


@pytest.fixture
def disk_of(tmp_path):
    """Makes a file system of so many KiB."""
    folder = tmp_path / "disk"

    def mount(kibibytes):
        folder.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", folder], capture_output=True, check=False)
        if mounted.returncode != 0:
            folder.rmdir()
            pytest.skip("a tmpfs cannot be mounted here: " + mounted.stderr.decode().strip())
        return folder

    yield mount
    if folder.exists():
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("verb", [["train", "--check"], ["train"]])
def test_a_disk_too_small_for_the_run_is_refused_before_anything_is_written(tmp_path, disk_of, verb):
    small_disk = disk_of(3 << 10)
    message = error_of(ingot(*verb, write_config(tmp_path, output_dir=str(small_disk / "run")), check=False), DEVICE)
    assert "output_dir" in message and "found 3.00 MiB free" in message and "3 checkpoints of 2.98 MiB" in message
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_stops_the_run_and_leaves_no_half_file(tmp_path, disk_of):
    small_disk = disk_of(10 << 10)  # of the weights and moments alone, not of the data as well
    message = error_of(ingot("train", write_config(tmp_path, output_dir=str(small_disk / "run")), check=False), DEVICE)
    assert "space" in message.lower() and re.search(r"not saved: step 5 to 6\b", message) and (small_disk / "run/checkpoints").exists()
    left = [path.name for path in pathlib.Path(small_disk).rglob("*") if ".partial" in path.name or ".staging" in path.name]
    assert left == []


def test_memory_that_is_not_there_is_told_with_what_the_run_needs(tmp_path):
    """Weights of 3.2 GB in an address space of 3 GiB."""
    model = copy_of_stories(tmp_path)
    config = json.loads((model / "config.json").read_text())
    config.update(hidden_size=4096, intermediate_size=11008, num_hidden_layers=4, num_attention_heads=32, num_key_value_heads=32, head_dim=128)
    (model / "config.json").write_text(json.dumps(config))
    (model / "model.safetensors").unlink()
    command = [INGOT, "train", write_config(tmp_path, model_name_or_path=str(model), train_from_scratch=True, save_steps=0)]
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, preexec_fn=limit)
    message = error_of(result, DEVICE)
    assert "out of memory" in message and "bytes were asked for" in message, message
    assert "this run holds 12." in message and "3.0" in message and "of weights" in message and "of the optimizer" in message, message
