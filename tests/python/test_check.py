"""`train --check` finds what the start finds in model folders, data and checkpoints: with the same words and the same exit code."""

import json

import pytest

from conftest import ingot, write_config
from test_errors import CONFIG, DATA, error_of
from test_folders import snapshot, texts, tiny


@pytest.fixture
def base(tmp_path):
    return tiny(tmp_path / "model")


def change_config(base, **fields):
    file = base / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def refused_alike(tmp_path, code, **keys):
    """The message of both, and what the start left in an output_dir."""
    config = write_config(tmp_path, **keys)
    before = snapshot(tmp_path / "run")
    told = error_of(ingot("train", config, "--check", check=False), code)
    assert snapshot(tmp_path / "run") == before
    assert error_of(ingot("train", config, check=False), code) == told
    assert not list((tmp_path / "run").rglob("*.bin"))
    return told


def without_weights(base):
    (base / "model.safetensors").unlink()


def cut_short(base):
    (base / "model.safetensors").write_bytes((base / "model.safetensors").read_bytes()[:-1000])


def without_tokenizer(base):
    (base / "tokenizer.model").unlink()


def with_garbage_for_a_tokenizer(base):
    (base / "tokenizer.model").write_bytes(b"x\n")


def with_half_a_tokenizer_config(base):
    (base / "tokenizer_config.json").write_text("{")


def wider(base):
    fields = json.loads((base / "config.json").read_text())
    change_config(base, hidden_size=2 * fields["hidden_size"], head_dim=2 * fields["hidden_size"] // fields["num_attention_heads"])


def deeper(base):
    change_config(base, num_hidden_layers=json.loads((base / "config.json").read_text())["num_hidden_layers"] + 1)


def with_more_ids(base):
    change_config(base, vocab_size=600)


@pytest.mark.parametrize("kind", ["full", "lora"])
@pytest.mark.parametrize("broken, found", [(without_weights, "holds no weights"), (cut_short, "model.safetensors"), (without_tokenizer, "tokenizer"),
                                           (with_garbage_for_a_tokenizer, "tokenizer.model"), (with_half_a_tokenizer_config, "tokenizer_config.json"),
                                           (wider, "has shape"), (deeper, "parameters are missing"), (with_more_ids, "wanted [600,")],
                         ids=lambda value: value.__name__ if callable(value) else "")
def test_a_broken_model_folder(tmp_path, base, broken, found, kind):
    broken(base)
    keys = {"model_name_or_path": str(base), "dataset": str(texts(tmp_path / "a.jsonl")), "finetuning_type": kind}
    assert found in refused_alike(tmp_path, DATA, **keys)


@pytest.mark.parametrize("template", ["llama3", "chatml"])
def test_a_template_whose_tokens_the_tokenizer_lacks(tmp_path, base, template):
    (tmp_path / "chats.jsonl").write_text('{"instruction": "a", "output": "b"}\n' * 40)
    keys = {"model_name_or_path": str(base), "stage": "sft", "template": template, "dataset": str(tmp_path / "chats.jsonl")}
    assert "<|" in refused_alike(tmp_path, CONFIG, **keys)


def test_a_folder_without_data_files(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no data file in this folder" in refused_alike(tmp_path, DATA, dataset=str(tmp_path / "empty"))


def test_a_column_that_is_not_in_the_file(tmp_path):
    assert "body" in refused_alike(tmp_path, DATA, dataset=str(texts(tmp_path / "a.jsonl")), json_keys="body")


def test_records_that_are_no_conversations(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"other": "a"}\n' * 40)
    assert "no conversation" in refused_alike(tmp_path, DATA, stage="sft", template="alpaca", dataset=str(tmp_path / "a.jsonl"))


def test_a_first_record_without_a_text_is_counted_and_no_reason_to_refuse(tmp_path):
    data = texts(tmp_path / "a.jsonl")
    data.write_text('{"text": ""}\n{"text": null}\n' + data.read_text())
    config = write_config(tmp_path, dataset=str(data), max_steps=1)
    assert ingot("train", config, "--check").returncode == 0
    assert ingot("train", config).returncode == 0


@pytest.mark.parametrize("change, found", [({"seed": 7}, "seed: found 7, wanted 42"), ({"cutoff_len": 32}, "cutoff_len: found 32, wanted 64"),
                                           ({"global_batch_size": 8}, "global_batch_size"), ({"precision": "bf16"}, "precision"),
                                           ({"finetuning_type": "lora"}, "finetuning_type"), ({"train_from_scratch": True}, "train_from_scratch")],
                         ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")
def test_checkpoints_of_another_run(tmp_path, base, change, found):
    keys = {"model_name_or_path": str(base), "dataset": str(texts(tmp_path / "a.jsonl")), "max_steps": 2}
    config = write_config(tmp_path, **keys)
    ingot("train", config)
    before = snapshot(tmp_path / "run")
    assert ingot("train", config, "--check").returncode == 0 and snapshot(tmp_path / "run") == before
    other = write_config(tmp_path, **keys, **change)
    told = error_of(ingot("train", other, "--check", check=False), CONFIG)
    assert found in told and "weights" not in told and snapshot(tmp_path / "run") == before
    assert error_of(ingot("train", other, check=False), CONFIG) == told
    assert ingot("train", write_config(tmp_path, **keys, **change, overwrite_output_dir=True), "--check").returncode == 0
