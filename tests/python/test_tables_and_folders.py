"""Tables whose cells are bytes, floats or doubled, and folders with links, empty files and things beside data, in both stages."""

import json
import os
import subprocess

import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from conftest import INGOT, ROOT, STORIES, ingot, write_config
from test_agent_chats import folders, labelled_text, live, samples_of_file  # noqa: F401  (folders is a fixture)


def write_table(file, columns, names=None):
    table = pyarrow.Table.from_arrays(list(columns.values()), names=list(columns)) if names is None else pyarrow.Table.from_arrays(columns, names=names)
    (pyarrow.feather.write_feather if file.suffix == ".arrow" else pyarrow.parquet.write_table)(table, str(file))
    return file


def preprocess(folder, dataset, check=True, **keys):
    result = ingot("preprocess", write_config(folder, dataset=str(dataset), **keys), check=check)
    name = "train_1" if keys.get("stage") == "sft" else "train_text_document"
    ledger = folder / f"run/data/{name}.ledger.json"
    return result, json.loads(ledger.read_text()) if ledger.exists() else None


SFT = {"stage": "sft", "template": "default"}


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
@pytest.mark.parametrize("kind", [pyarrow.binary(), pyarrow.large_binary()])
def test_bytes_that_are_text_are_trained_as_text(tmp_path, folders, ending, kind):  # noqa: F811
    file = write_table(tmp_path / f"a.{ending}", {"instruction": pyarrow.array(["树 q".encode()], kind), "output": pyarrow.array(['"Oak" 树\n'.encode()], kind)})
    samples = samples_of_file(tmp_path, folders["qwen2_5"], "qwen2.5", file)
    assert [labelled_text(folders["qwen2_5"], sample) for sample in samples] == ['"Oak" 树\n<|im_end|>']


def test_bytes_that_are_no_text_are_refused_where_they_are_read_and_harmless_elsewhere(tmp_path):
    rows = {"instruction": pyarrow.array(["q", "q"]), "output": pyarrow.array([b"a", b"\xff\x00"]), "thumbnail": pyarrow.array([b"\xff\xd8", b"\x89"])}
    result, ledger = preprocess(tmp_path, write_table(tmp_path / "a.parquet", rows), **SFT)
    assert ledger["samples"] == 1 and list(ledger["skipped"]) == ["output is an object, not text"]
    assert "thumbnail (1 records)" in result.stderr


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_two_columns_of_one_name_are_refused(tmp_path, ending):
    file = write_table(tmp_path / f"a.{ending}", [pyarrow.array(["q"]), pyarrow.array(["a"]), pyarrow.array(["b"])], ["instruction", "output", "output"])
    result, _ = preprocess(tmp_path, file, check=False, **SFT)
    assert result.returncode == 3 and f"{file}: has more than one column output" in result.stderr
    assert ingot("inspect", "--raw", file).stdout == '{"instruction":"q","output":"a","output":"b"}\n'


def test_floats_keep_their_point_and_sign_in_arguments(tmp_path, folders):  # noqa: F811
    arguments = {"x": 5.0, "y": -0.0, "z": 1e30, "w": 0.1}
    talk = [{"role": "user", "content": "q", "tool_calls": None},
            {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": arguments}}]}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([{"messages": talk}]), str(tmp_path / "a.parquet"))
    samples = samples_of_file(tmp_path, folders["qwen2_5"], "qwen2.5", tmp_path / "a.parquet")
    assert f'"arguments": {json.dumps(arguments)}' in labelled_text(folders["qwen2_5"], samples[0])


@pytest.mark.parametrize("bom", [True, False])
def test_a_part_in_utf_16_is_what_its_first_character_says(tmp_path, bom):
    data = tmp_path / "data"
    data.mkdir()
    text = '{"text":"once upon a 树"}\n{"text":"once upon a time"}\n'
    (data / "part-00000").write_bytes(text.encode("utf-16" if bom else "utf-16-le"))
    _, ledger = preprocess(tmp_path, data)
    assert ledger["documents"] == 2


def test_what_links_reach_a_second_time_is_read_once_and_named(tmp_path):
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    (data / "blobs").mkdir()
    for number, file in enumerate(("a.jsonl", "sub/b.jsonl", "blobs/5f3a")):
        (data / file).write_text('{"text":"once upon a time %d"}\n' % number)
    os.symlink("sub", data / "link")
    os.symlink("a.jsonl", data / "b.jsonl")
    (data / "snapshots").mkdir()
    os.symlink("../blobs/5f3a", data / "snapshots/train.jsonl")
    result, ledger = preprocess(tmp_path, data)
    assert ledger["documents"] == 3
    assert {os.path.relpath(path, data) for path in ledger["passed_over"]} == {"b.jsonl", "link/b.jsonl", "snapshots/train.jsonl"}
    assert "passed over: 3 entries" in result.stderr
    os.symlink(data, tmp_path / "alias")  # the folder itself may be a link
    assert preprocess(tmp_path, tmp_path / "alias")[1]["documents"] == 3


def test_empty_and_foreign_entries_of_a_folder_cost_nothing(tmp_path):
    data = tmp_path / "data"
    (data / "_delta_log").mkdir(parents=True)
    for name in ("empty.csv", "empty.tsv", "empty.json", "empty.jsonl", "part-00001", "_SUCCESS"):
        (data / name).write_text("")
    (data / "_delta_log/0.json").write_text('{"commitInfo":{}}\n')
    (data / "README").write_text("[x] a list of things to do\n")
    (data / "t.parquet.gz").write_bytes(b"\x1f\x8b")
    (data / "a.jsonl").write_text('{"text":"once upon a time"}\n')
    _, ledger = preprocess(tmp_path, data)
    assert ledger["documents"] == ledger["records"] == 1
    assert {os.path.relpath(path, data) for path in ledger["passed_over"]} == {"README", "_SUCCESS", "_delta_log", "part-00001", "t.parquet.gz"}


def test_a_ledger_that_is_used_again_names_what_lies_there_now(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for stage in ({}, SFT):
        (data / "a.jsonl").write_text('{"text":"once upon a time"}\n' if not stage else '{"question":"q","answer":"a"}\n')
        (data / "n.docx").unlink(missing_ok=True)
        assert preprocess(tmp_path, data, **stage)[1]["passed_over"] == []
        (data / "n.docx").write_text("x")
        result, ledger = preprocess(tmp_path, data, **stage)
        assert ledger["passed_over"] == [str(data / "n.docx")] and "from an earlier run" in result.stderr


def test_a_key_that_stands_twice_counts_once(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text":"one","x":1,"x":2}\n')
    assert preprocess(tmp_path, tmp_path / "a.jsonl")[1]["unused"] == {"x": 1}


NOBODY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]


@pytest.mark.skipif(os.geteuid() != 0 or subprocess.run([*NOBODY, "true"], check=False, capture_output=True).returncode != 0, reason="takes rights from root with setpriv")
@pytest.mark.parametrize("command", [["inspect", "--raw", "{file}"], ["eval", "--model", str(STORIES), "--data", "{file}"],
                                     ["eval", "--model", str(STORIES), "--data", "{folder}"]])
def test_what_may_not_be_read_is_a_matter_of_rights(tmp_path, command):
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    (data / "a.jsonl").write_text('{"text":"once upon a time"}\n')
    os.chmod(data / "a.jsonl", 0)
    os.chmod(data / "sub", 0)
    result = subprocess.run([*NOBODY, INGOT, *(word.format(file=data / "a.jsonl", folder=data) for word in command)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "Permission denied" in result.stderr
