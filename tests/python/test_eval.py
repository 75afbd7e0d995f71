"""`eval` reads a file as training would, and goes on behind a record that it cannot score."""

import gzip
import json

import pytest
import safetensors.torch
from conftest import STORIES, ingot, write_config
from test_folders import texts, tiny


def score(*flags, model=STORIES, data, check=True):
    done = ingot("eval", "--model", model, "--data", data, "--json", *flags, check=check)
    return (json.loads(done.stdout), done.stderr) if check else done


def lines(file, records):
    file.write_text("".join((record if isinstance(record, str) else json.dumps(record)) + "\n" for record in records))
    return file


GOOD = [{"text": "Once upon a time there was a king."}, {"text": "Lily had a dog."}]
CHATS = [{"instruction": f"Tell me of number {n}", "output": "Once there was a cat who saw a dog."} for n in range(4)]
LISTS = [{"input_ids": [1, 5, 9, 100, 7]}, {"input_ids": [1, 6, 9, 100, 7, 8]}]
KINDS = {
    "text": (GOOD, [], ['{"text": 5}', '{"text": ""}', '{"text": "broken', '{"text": null}', '{"other": 1}']),
    "chat": (CHATS, ["--template", "default"], ['{"instruction": "a", "output"', '{"instruction": 5, "output": []}', '{"messages": []}', "[]"]),
    "ids": (LISTS, [], ['{"input_ids": [1, 512]}', '{"input_ids": [1, -4]}', '{"input_ids": 5}', '{"input_ids": [1, "a"]}', '{"input_ids": [', "{}"]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", [False, True])
def test_a_bad_record_is_counted_and_named_and_the_rest_is_scored(tmp_path, kind, first):
    good, flags, bad = KINDS[kind]
    wanted, _ = score(*flags, data=lines(tmp_path / "good.jsonl", good))
    mixed = lines(tmp_path / "mixed.jsonl", [*bad, *good] if first else [good[0], *bad, *good[1:]])
    found, told = score(*flags, data=mixed)
    assert found["data"][0]["skipped"] == len(bad) == sum(found["data"][0]["reasons"].values()), found
    assert {key: found[key] for key in ("loss", "tokens", "accuracy")} == {key: wanted[key] for key in ("loss", "tokens", "accuracy")}
    assert f"{mixed}:{1 if first else 2}: not scored: " in told
    text = ingot("eval", "--model", STORIES, "--data", mixed, *flags).stdout
    assert f"; {len(bad)} records not scored: 1 " in text or f"; {len(bad)} records not scored: 2 " in text


def test_a_file_of_bad_records_alone_is_refused_with_the_reasons(tmp_path):
    result = score(data=lines(tmp_path / "bad.jsonl", [{"text": ""}, {"text": ""}, {"text": 5}]), check=False)
    assert result.returncode == 3 and "no token to score" in result.stderr and "2 empty text" in result.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_packed_files_and_folders_are_read(tmp_path, kind):
    good, flags, _ = KINDS[kind]
    wanted, _ = score(*flags, data=lines(tmp_path / "good.jsonl", good))
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, record in enumerate(good):
        (folder / f"{number}.jsonl.gz").write_bytes(gzip.compress((json.dumps(record) + "\n").encode()))
    (folder / "notes.md").write_text("# Notes")
    found, told = score(*flags, data=folder)
    assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-9) and found["tokens"] == wanted["tokens"]
    assert "notes.md" in told


def test_an_id_beyond_the_models_vocabulary_is_a_bad_record(tmp_path):
    """The tokenizer of stories260K has 512 ids, this model 300."""
    model = tiny(tmp_path / "model", vocab_size=300)
    result = score("--column", "text", model=model, data=lines(tmp_path / "a.jsonl", [{"text": "Once upon a time"}]), check=False)
    assert result.returncode == 3 and "vocabulary" in result.stderr, result.stderr
    chats = score("--template", "default", model=model, data=lines(tmp_path / "b.jsonl", CHATS), check=False)
    assert chats.returncode == 3 and "vocabulary" in chats.stderr, chats.stderr


def test_ids_with_labels_are_scored_where_these_are(tmp_path):
    """Labels as transformers has them: -100 or the id, not shifted."""
    ids = LISTS[1]["input_ids"]
    whole, _ = score(data=lines(tmp_path / "whole.jsonl", [{"input_ids": ids}]))
    same, _ = score(data=lines(tmp_path / "same.jsonl", [{"input_ids": ids, "labels": ids}]))
    assert same["loss"] == pytest.approx(whole["loss"], rel=1e-6) and same["tokens"] == whole["tokens"] == len(ids) - 1
    parts = [score(data=lines(tmp_path / f"{i}.jsonl", [{"input_ids": ids, "labels": [-100] * i + ids[i : i + 1] + [-100] * (len(ids) - i - 1)}]))[0]
             for i in range(1, len(ids))]
    assert [part["tokens"] for part in parts] == [1] * (len(ids) - 1)
    assert sum(part["loss"] for part in parts) / len(parts) == pytest.approx(whole["loss"], rel=1e-6)
    for labels, reason in [([-100] * len(ids), "not one token is a label"), ([1], "wanted one for each"), ([9, *ids[1:]], "wanted -100 or the id")]:
        bad = score(data=lines(tmp_path / "bad.jsonl", [{"input_ids": ids, "labels": labels}]), check=False)
        assert bad.returncode == 3 and reason in bad.stderr, bad.stderr


def sft(folder, **keys):
    return write_config(folder, stage="sft", template="default", val_size=0, **keys)


def test_a_configuration_says_how_conversations_are_read(tmp_path):
    """map_keys, ignore_fields, template, cutoff and mask_history: the labels are those of the run's ledger."""
    records = [{"ask": f"Tell me of number {n}", "say": "Once there was a cat. " * 12, "images": ["a.png"]} for n in range(5)]
    data = lines(tmp_path / "odd.jsonl", records)
    keys = {"map_keys": {"prompt": "ask", "response": "say"}, "ignore_fields": ["images"], "cutoff_len": 40}
    config = sft(tmp_path, dataset=str(data), **keys)
    ingot("preprocess", config)
    ledger = json.loads((tmp_path / "run/data/train_1.ledger.json").read_text())
    found, _ = score("--config", config, data=data)
    assert ledger["cut"]["samples"] == 5 and found["tokens"] == ledger["labels"] > 0
    whole, _ = score("--config", sft(tmp_path, dataset=str(data), **{**keys, "cutoff_len": 1000}), data=data)
    assert whole["tokens"] > found["tokens"]
    refused = score("--template", "default", data=data, check=False)
    assert refused.returncode == 3


def test_what_would_end_training_is_a_bad_record_here(tmp_path):
    data = lines(tmp_path / "a.jsonl", [*CHATS, {"instruction": "Tell", "output": "Once there was a cat. " * 30}])
    found, told = score("--config", sft(tmp_path, dataset=str(data), truncation="error", cutoff_len=80), data=data)
    assert found["data"][0]["skipped"] == 1 and f"{data}:5" in told


def test_a_configuration_of_stage_pt_names_column_and_window(tmp_path):
    data = lines(tmp_path / "a.jsonl", [{"body": "Once upon a time there was a king. " * 6}])
    config = write_config(tmp_path, dataset=str(data), json_keys="body", cutoff_len=16)
    assert score("--config", config, data=data)[0] == score("--column", "body", "--seq-length", 16, data=data)[0]
    assert score("--config", config, "--seq-length", 64, data=data)[0] == score("--column", "body", "--seq-length", 64, data=data)[0]
    assert score("--config", config, data=data)[0]["loss"] != score("--column", "body", data=data)[0]["loss"]


def test_a_damaged_configuration_is_exit_2(tmp_path):
    (tmp_path / "bad.yaml").write_text("cutoff: 5\n")
    result = score("--config", tmp_path / "bad.yaml", data=texts(tmp_path / "a.jsonl"), check=False)
    assert result.returncode == 2 and "cutoff: unknown key" in result.stderr


@pytest.mark.parametrize("broken", ["absent", "garbage"])
def test_a_tokenizer_that_cannot_be_opened_is_no_fault_of_the_records(tmp_path, broken):
    model = tiny(tmp_path / "model")
    if broken == "absent":
        (model / "tokenizer.model").unlink()
    else:
        (model / "tokenizer.model").write_bytes(b"x")
    done = score(model=model, data=texts(tmp_path / "a.jsonl"), check=False)
    assert done.returncode == 3 and "tokenizer" in done.stderr and "not scored" not in done.stderr, done.stderr
    labelled = lines(tmp_path / "ids.jsonl", [{"input_ids": [1, 5, 9], "labels": [-100, 5, 9]}])
    assert score(model=model, data=labelled)[0]["tokens"] == 2


def test_weights_without_a_finite_loss_are_an_error(tmp_path):
    model = tiny(tmp_path / "model")
    weights = safetensors.torch.load_file(model / "model.safetensors")
    weights["model.norm.weight"].fill_(float("inf"))
    safetensors.torch.save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    done = score(model=model, data=texts(tmp_path / "a.jsonl"), check=False)
    assert done.returncode == 3 and done.stdout == "" and f"{model}: its weights give the loss" in done.stderr, done.stderr


@pytest.mark.parametrize("flag", ["--temperature", "--top-p", "--repetition-penalty"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_sampling_takes_finite_numbers_alone(flag, value):
    done = ingot("generate", "--model", STORIES, "--prompt", "a", flag, value, check=False)
    assert done.returncode == 2 and flag in done.stderr, done.stderr
