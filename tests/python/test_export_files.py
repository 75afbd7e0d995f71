"""An exported model has every file of the model that came in, byte for byte."""

import json
import shutil

import pytest

from conftest import STORIES, ingot, write_config

EXTRA = {"chat_template.jinja": b"{{ messages }}", "added_tokens.json": b"{}", "tokenization_own.py": b"# code\n", "LICENSE": b"terms",
         "additional_chat_templates/tool_use.jinja": b"{{ tools }}", "generation_config.json": b'{"eos_token_id": 2}'}


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(STORIES, folder)
    for name, content in EXTRA.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("dtype", ["auto", "bfloat16"])
def test_an_export_carries_every_file_along(model, tmp_path, dtype):
    config = write_config(tmp_path, model_name_or_path=str(model), max_steps=1)
    ingot("train", config)
    shutil.rmtree(model / "additional_chat_templates")  # the run has its own copy
    ingot("export", tmp_path / "run", "--to", tmp_path / "exported", "--dtype", dtype)
    for name, content in EXTRA.items():
        assert (tmp_path / "exported" / name).read_bytes() == content, name
    for file in STORIES.iterdir():
        if file.name not in ("model.safetensors", "config.json", *EXTRA):
            assert (tmp_path / "exported" / file.name).read_bytes() == file.read_bytes(), file.name
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (STORIES, tmp_path / "exported"))
    assert after.pop("dtype", after.pop("torch_dtype", None)) == ("bfloat16" if dtype == "bfloat16" else "float32")
    before.pop("dtype", before.pop("torch_dtype", None))
    assert before == after
