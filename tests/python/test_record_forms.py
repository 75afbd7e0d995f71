"""Records as other trainers write them, through stage sft."""

import json

import pytest

from conftest import ingot

from test_agent_chats import folders, labelled_text, samples_of_file  # noqa: F401  (folders is a fixture)


@pytest.fixture
def samples(shared, folders, tmp_path):  # noqa: F811
    def read(name, **keys):
        return samples_of_file(tmp_path, folders["qwen2_5"], "qwen2.5", shared / "faults" / name, **keys)

    return read


def test_every_form_gives_the_answer_and_its_end(samples, folders):  # noqa: F811
    found = samples("forms.jsonl")
    assert len(found) == 7
    assert {labelled_text(folders["qwen2_5"], sample) for sample in found[:4] + found[5:]} == {"The oak.<|im_end|>"}
    assert labelled_text(folders["qwen2_5"], found[4]) == "Trout.<|im_end|>The oak.<|im_end|>"


def test_of_two_lists_the_one_with_content_is_read(samples, folders):  # noqa: F811
    found = samples("conversations_empty.jsonl")
    assert [labelled_text(folders["qwen2_5"], sample) for sample in found] == ["D7<|im_end|>"]


def test_history_in_a_csv_cell_is_a_list(samples, folders):  # noqa: F811
    found = samples("alpaca_history.csv")
    assert [labelled_text(folders["qwen2_5"], sample).split("<|im_end|>")[:-1] for sample in found] == [
        ["Oak."], ["Trout."], ["Oak.", "Wren."], ['Yes,\n"really".']]


def test_an_answer_of_weight_0_is_no_label_with_mask_history_either(shared, folders, tmp_path):  # noqa: F811
    lines = (shared / "faults/weight_last.jsonl").read_text()
    good = json.dumps({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})
    (tmp_path / "both.jsonl").write_text(lines + good + "\n")
    found = samples_of_file(tmp_path, folders["qwen2_5"], "qwen2.5", tmp_path / "both.jsonl", mask_history=True)
    assert [labelled_text(folders["qwen2_5"], sample) for sample in found] == ["a<|im_end|>"]
    ledger = json.loads((tmp_path / "run/data/train_1.ledger.json").read_text())
    assert {reason: entry["samples"] for reason, entry in ledger["skipped"].items()} == {"not one token is a label": 1}


TALK = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def ledger_of(folder):
    return json.loads((folder / "run/data/train_1.ledger.json").read_text())


def test_pictures_are_refused_or_said(shared, samples, tmp_path):
    picture = (shared / "faults/images.jsonl").read_text()
    (tmp_path / "both.jsonl").write_text(picture + json.dumps({"messages": TALK, "source": "web"}) + "\n")
    assert len(samples(tmp_path / "both.jsonl")) == 1
    assert ["images are not trained" in reason for reason in ledger_of(tmp_path)["skipped"]] == [True]
    assert len(samples(tmp_path / "both.jsonl", ignore_fields=["images"])) == 2
    assert ledger_of(tmp_path)["unused"] == {"images": 1, "source": 1}


def test_what_is_not_used_is_said_in_one_line_and_by_inspect(samples, tmp_path):
    (tmp_path / "chats.jsonl").write_text("".join(json.dumps({"id": i, "messages": TALK, "source": "web" if i % 2 else None}) + "\n" for i in range(1, 6)))
    assert len(samples(tmp_path / "chats.jsonl")) == 5
    again = ingot("preprocess", tmp_path / "config.yaml")
    assert "columns that are not used: id (5 records), source (3 records)" in again.stderr
    assert "column id of 5 records is not used" in ingot("inspect", tmp_path / "config.yaml").stdout


def test_reasoning_that_the_template_drops_is_refused_unless_ignored(samples, tmp_path):
    thought = [TALK[0], {**TALK[1], "reasoning_content": "hm"}]
    (tmp_path / "chats.jsonl").write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in (thought, TALK)))
    assert len(samples(tmp_path / "chats.jsonl")) == 1
    both = samples(tmp_path / "chats.jsonl", ignore_fields=["reasoning_content"])
    assert len(both) == 2 and both[0] == both[1]


def test_json_columns_of_a_parquet_file_give_the_text_of_json_lines(shared, samples, tmp_path):
    """Hugging Face datasets 5 writes them as Arrow's arrow.json: JSON in a text."""
    import pyarrow.parquet

    def read(value):
        if isinstance(value, list):
            return [read(item) for item in value]
        return json.loads(value) if isinstance(value, str) and value[:1] in "[{" else value

    records = pyarrow.parquet.read_table(shared / "faults/tools_from_datasets.parquet").to_pylist()
    (tmp_path / "same.jsonl").write_text("".join(json.dumps({key: read(value) for key, value in record.items()}) + "\n" for record in records))
    found = samples("tools_from_datasets.parquet")
    assert len(found) == 8
    assert found == samples(tmp_path / "same.jsonl")
