"""Paths that the system refuses: a loop of links, no right to look, a name too long. Every field of a configuration and every file that
it leads to ends with one line that names the path, and exit code 2 or 4."""

import os
import shutil
import subprocess

import pytest

from conftest import INGOT, ROOT, SHAKESPEARE, STORIES, ingot, write_config
from lora_support import make_adapter
from test_errors import CONFIG

LORA = {"finetuning_type": "lora"}
WITHOUT_OVERRIDE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
WORDS = {"loop": "Too many levels of symbolic links", "right": "Permission denied", "long": "File name too long"}


@pytest.fixture(scope="session")
def adapter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("path_faults") / "adapter"
    make_adapter(folder, r=4, target_modules=["q_proj"])
    return folder


def loop(path):
    """`path` leads to itself."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)
    return path


def shut(path):
    """`path` may not be read by anybody but those whom rights do not bind."""
    path.chmod(0)
    return path


def open_again(path, fault):
    """So that the folder of the test can be removed."""
    if fault == "right":
        path.chmod(0o755)


def train(config, fault, *flags):
    """Runs `train`; for a missing right as a user whom rights bind."""
    command = [INGOT, "train", str(config), *flags]
    if fault == "right":
        command = [*WITHOUT_OVERRIDE, *command] if os.geteuid() == 0 else command
        if os.geteuid() == 0 and subprocess.run([*WITHOUT_OVERRIDE, "true"], capture_output=True, check=False).returncode != 0:
            pytest.skip("root cannot give up the right to read everything here: setpriv failed")
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def expect_refused(result, path, fault):
    assert result.returncode in (2, 4), result.stderr
    assert "internal error" not in result.stderr
    assert str(path) in result.stderr and WORDS[fault] in result.stderr, result.stderr


def place_of(tmp_path, fault, source):
    """A path that cannot be used, where there is otherwise a copy of `source`."""
    if fault == "long":
        return tmp_path / ("x" * 300)
    place = tmp_path / ("place" + (source.suffix if source else ""))
    if source is None:
        place.mkdir()
    elif source.is_dir():
        shutil.copytree(source, place)
    else:
        shutil.copy(source, place)
    return loop(place) if fault == "loop" else shut(place)


@pytest.mark.parametrize("flags", [[], ["--check"]], ids=["start", "check"])
@pytest.mark.parametrize("fault", WORDS)
@pytest.mark.parametrize("field", ["model_name_or_path", "dataset", "eval_dataset", "output_dir", "adapter_name_or_path", "template"])
def test_every_path_of_the_configuration(tmp_path, adapter, field, fault, flags):
    sources = {"model_name_or_path": STORIES, "dataset": SHAKESPEARE, "eval_dataset": SHAKESPEARE, "output_dir": None,
               "adapter_name_or_path": adapter, "template": ROOT / "examples/smollm2_identity_lora.yaml"}
    place = place_of(tmp_path, fault, sources[field])
    more = LORA if field == "adapter_name_or_path" else {}
    if field == "template":
        more = {"stage": "sft", "dataset": str(ROOT / "examples/data/identity_alpaca.json")}
    try:
        result = train(write_config(tmp_path, **{**more, field: str(place)}), fault, *flags)
        expect_refused(result, place, fault)
    finally:
        open_again(place, fault)


@pytest.mark.parametrize("fault", ["loop", "right"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "model.safetensors",
                                  "model.safetensors.index.json", "generation_config.json"])
def test_every_file_of_the_model_folder(tmp_path, name, fault):
    model = tmp_path / "model"
    shutil.copytree(STORIES, model)
    if name == "model.safetensors.index.json":
        (model / "model.safetensors").unlink()
    if not (model / name).exists():
        (model / name).write_text("{}")
    if name == "tokenizer.json":
        (model / "tokenizer.model").unlink(missing_ok=True)
    (loop if fault == "loop" else shut)(model / name)
    expect_refused(train(write_config(tmp_path, model_name_or_path=str(model)), fault), model / name, fault)


@pytest.mark.parametrize("fault", ["loop", "right"])
@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_every_file_of_the_adapter(tmp_path, adapter, name, fault):
    copy = tmp_path / "adapter"
    shutil.copytree(adapter, copy)
    (loop if fault == "loop" else shut)(copy / name)
    result = train(write_config(tmp_path, adapter_name_or_path=str(copy), **LORA), fault, "--check")
    expect_refused(result, copy / name, fault)


@pytest.mark.parametrize("fault", ["loop", "right"])
def test_a_file_in_a_folder_of_data(tmp_path, fault):
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(SHAKESPEARE, data / "a.parquet")
    shutil.copy(SHAKESPEARE, data / "b.parquet")
    (loop if fault == "loop" else shut)(data / "b.parquet")
    result = train(write_config(tmp_path, dataset=str(data)), fault)
    if result.returncode == 0:  # passed over, in one line that names it
        assert "b.parquet" in result.stderr
    else:
        expect_refused(result, data / "b.parquet", fault)


@pytest.mark.parametrize("fault", ["loop", "right"])
@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", "checkpoints"])
def test_every_file_of_the_run(tmp_path, name, fault):
    config = write_config(tmp_path, max_steps=2)
    ingot("train", config)
    (loop if fault == "loop" else shut)(tmp_path / "run" / name)
    try:
        expect_refused(train(write_config(tmp_path, max_steps=4), fault), tmp_path / "run" / name, fault)
    finally:
        open_again(tmp_path / "run" / name, fault)


@pytest.mark.parametrize("words, flag, wanted", [
    (["eval", "--model", "{gone}", "--data", "{data}"], "--model", "wanted a folder with config.json"),
    (["generate", "--model", "{gone}", "--prompt", "a"], "--model", "wanted a folder with config.json"),
    (["generate", "--model", "{gone}", "--chat"], "--model", "wanted a folder with config.json"),
    (["generate", "--model", "{stories}", "--adapter", "{gone}", "--prompt", "a"], "--adapter", "wanted a folder with adapter_config.json"),
    (["tokenize", "--model", "{gone}"], "--model", "wanted a folder with a tokenizer"),
    (["convert", "--from", "{gone}", "--to", "{to}"], "--from", "wanted a .gguf file"),
    (["convert", "--from", "{stories}", "--to", "{to}"], "--from", "which is a folder, wanted a .gguf file, or a model's folder with --adapter"),
    (["convert", "--from", "{gone}", "--adapter", "{stories}", "--to", "{to}"], "--from", "wanted a folder with config.json"),
    (["eval", "--model", "{data}", "--data", "{data}"], "--model", "is no folder"),
])
def test_a_model_that_is_not_there_is_named_with_its_flag(tmp_path, words, flag, wanted):
    data = tmp_path / "a.txt"
    data.write_text("Once upon a time")
    places = {"gone": tmp_path / "gone", "data": data, "stories": STORIES, "to": tmp_path / "to"}
    result = ingot(*[word.format(**places) for word in words], check=False)
    assert result.returncode == CONFIG and f"{flag}: found " in result.stderr and wanted in result.stderr, result.stderr


def test_a_base_that_is_not_there_is_named(tmp_path):
    ingot("train", write_config(tmp_path, max_steps=1, finetuning_type="lora"))
    result = ingot("export", tmp_path / "run", "--to", tmp_path / "to", "--base", tmp_path / "gone", check=False)
    assert result.returncode == CONFIG and "--base: found " in result.stderr, result.stderr


def test_a_deleted_working_directory_is_said(tmp_path):
    (tmp_path / "gone").mkdir()
    command = f"cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec {INGOT} generate --model {STORIES} --prompt a"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert result.returncode == CONFIG and "the working directory" in result.stderr and len(result.stderr.splitlines()) == 1, result.stderr
