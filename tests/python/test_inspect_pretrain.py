"""Stage pt says what became of every record and what records carry beside the text: in a line, in the ledger, by inspect."""

import gzip
import json

import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from conftest import STORIES, ingot, write_config

ROWS = [{"text": f"Once upon a time there was number {i}.", "url": "http://a", "meta": {"lang": "en"} if i % 2 else {}, "score": i if i < 3 else None, "note": ""}
        for i in range(6)]
SAID = "columns that are not used: meta (3 records), score (3 records), url (6 records)"


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def ledger_of(folder, name="train_text_document"):
    return json.loads((folder / f"run/data/{name}.ledger.json").read_text())


def pretrain(folder, dataset, **keys):
    config = write_config(folder, dataset=str(dataset), **keys)
    return config, ingot("preprocess", config).stderr


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.jsonl.gz"])
def test_fields_that_hold_something_are_named_once_with_counts(tmp_path, name):
    text = json.dumps(ROWS) if name == "a.json" else lines(ROWS)
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    config, told = pretrain(tmp_path, tmp_path / name)
    assert told.count("columns that are not used") == 1 and SAID in told
    assert ledger_of(tmp_path)["unused"] == {"meta": 3, "score": 3, "url": 6}
    again = ingot("preprocess", config).stderr
    assert SAID in again and "from an earlier run" in again


def test_cells_of_csv_that_hold_something_count(tmp_path):
    (tmp_path / "a.csv").write_text("id,text,note\n1,Once upon a time,\n2,There was a king,hm\n,Lily,\n")
    assert "id (2 records), note (1 records)" in pretrain(tmp_path, tmp_path / "a.csv")[1]


@pytest.mark.parametrize("write", [pyarrow.parquet.write_table, pyarrow.feather.write_feather], ids=["parquet", "arrow"])
def test_columns_of_tables_count_every_row(tmp_path, write):
    file = tmp_path / ("a.parquet" if write is pyarrow.parquet.write_table else "a.arrow")
    write(pyarrow.table({"id": [1, 2, 3], "text": ["Once upon", "a time", "there was"], "meta": [{"a": 1}] * 3}), str(file))
    assert "id (3 records), meta (3 records)" in pretrain(tmp_path, file)[1]


def test_texts_alone_say_nothing(tmp_path):
    (tmp_path / "a.txt").write_text("Once upon a time")
    assert "not used" not in pretrain(tmp_path, tmp_path / "a.txt")[1]
    (tmp_path / "b.jsonl").write_text(lines([{"text": "Once"}] * 3))
    assert "not used" not in pretrain(tmp_path, tmp_path / "b.jsonl")[1] and ledger_of(tmp_path)["unused"] == {}


def test_records_without_a_text_and_several_files(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.jsonl").write_text(lines(ROWS) + '{"text": 5, "url": "x"}\n{"text": "broken", "url": "x"\n')
    (folder / "b.jsonl").write_text(lines([{"text": "Lily", "url": "b", "only": True}]))
    pretrain(tmp_path, folder)
    assert ledger_of(tmp_path)["unused"] == {"meta": 3, "only": 1, "score": 3, "url": 7}


def test_names_made_up_record_by_record_share_one_entry(tmp_path):
    (tmp_path / "a.jsonl").write_text(lines([{"text": "Once upon", f"key{i}": i} for i in range(500)]))
    pretrain(tmp_path, tmp_path / "a.jsonl")
    unused = ledger_of(tmp_path)["unused"]
    assert unused["other columns"] == 300 and len(unused) == 201


def test_inspect_tells_what_became_of_the_records(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(lines(ROWS) + '{"text": ""}\n{"text": "broken\n{"text": ""}\n')
    config = write_config(tmp_path, dataset=str(file), cutoff_len=16)
    missing = ingot("inspect", config, check=False)
    assert missing.returncode == 2 and "`ingot preprocess` makes it" in missing.stderr
    ingot("preprocess", config)
    text, ledger = ingot("inspect", config).stdout, ledger_of(tmp_path)
    assert "6 documents of 9 records" in text and f"tokens: {ledger['tokens']}, {-(-ledger['tokens'] // 16)} rows of 16" in text
    assert f"2 left out: empty text, first {file}:7" in text and "column url of 6 records is not used" in text
    shown = json.loads(ingot("inspect", config, "--json").stdout)
    assert shown["ledger"] == ledger and shown["prefix"].endswith("train_text_document")


def test_inspect_uses_the_configurations_own_length(tmp_path):
    (tmp_path / "a.jsonl").write_text(lines(ROWS))
    config, _ = pretrain(tmp_path, tmp_path / "a.jsonl", cutoff_len=16)
    row = lambda *more: json.loads(ingot("inspect", config, "--row", 2, "--json", *more).stdout)
    assert len(row()["input_ids"]) == 16 and row()["first_token"] == 32
    assert len(row("--seq-length", 20)["input_ids"]) == 20
    prefix = tmp_path / "run/data/train_text_document"
    whole = json.loads(ingot("inspect", prefix, "--model", STORIES, "--json").stdout)
    assert len(whole["input_ids"]) == ledger_of(tmp_path)["tokens"]


def test_a_damaged_ledger_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text(lines(ROWS))
    config, _ = pretrain(tmp_path, tmp_path / "a.jsonl")
    file = tmp_path / "run/data/train_text_document.ledger.json"
    file.write_text(json.dumps({"tokens": "many"}))
    result = ingot("inspect", config, check=False)
    assert result.returncode == 3 and str(file) in result.stderr
