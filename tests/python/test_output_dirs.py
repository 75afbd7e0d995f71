"""What is refused leaves output_dir and the targets of export and convert as they are; what is ours is known by its marks."""

import json
import shutil

import pytest
from conftest import ingot, write_config
from test_folders import snapshot, texts, tiny

CONFIG, DATA = 2, 3
TALK = '{"instruction":"Say yes","input":"","output":"yes"}\n' * 40


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, base):
    """The folder of a run of two steps, its data and its configuration."""
    folder = tmp_path_factory.mktemp("trained")
    ingot("train", write_config(folder, model_name_or_path=str(base), dataset=str(texts(folder / "a.jsonl")), max_steps=2))
    return folder


def copied(trained, folder):
    """A run to try things on; the keys of its configuration."""
    shutil.copytree(trained / "run", folder / "run")
    config = (trained / "config.yaml").read_text().replace(str(trained / "run"), str(folder / "run"))
    (folder / "config.yaml").write_text(config)
    return folder / "config.yaml"


def refused(result, code=CONFIG):
    """The one line that says why."""
    lines = [line for line in result.stderr.splitlines() if "error" in line]
    assert result.returncode == code and len(lines) == 1 and "internal" not in lines[0], result.stderr
    return result.stderr


OTHER_DATA = {"eod": (["append_eod=false"], CONFIG), "column": (["json_keys=nope"], DATA), "rows": (["cutoff_len=32"], CONFIG),
              "seed": (["seed=7"], CONFIG), "precision": (["precision=bf16"], CONFIG), "validation": (["val_size=0.9999"], CONFIG)}


@pytest.mark.parametrize("change", OTHER_DATA)
def test_a_refused_start_of_a_run_with_checkpoints_writes_nothing(tmp_path, trained, change):
    config = copied(trained, tmp_path)
    before = snapshot(tmp_path)
    sets, code = OTHER_DATA[change]
    refused(ingot("train", config, *[word for one in sets for word in ("--set", one)], check=False), code)
    assert snapshot(tmp_path) == before


def test_a_refused_conversation_run_keeps_its_shards(tmp_path, base):
    talk = tmp_path / "talk.jsonl"
    talk.write_text(TALK)
    config = write_config(tmp_path, model_name_or_path=str(base), dataset=str(talk), stage="sft", template="alpaca", cutoff_len=128, max_steps=2)
    ingot("train", config)
    before = snapshot(tmp_path)
    refused(ingot("train", config, "--set", "train_on_prompt=true", check=False))
    assert snapshot(tmp_path) == before


def test_an_overwrite_that_fails_before_its_first_step_has_thrown_nothing_away(tmp_path, trained):
    config = copied(trained, tmp_path)
    before = snapshot(tmp_path)
    refused(ingot("train", config, "--set", "overwrite_output_dir=true", "--set", "json_keys=nope", check=False), DATA)
    assert snapshot(tmp_path) == before


def test_ones_own_restart_keeps_its_checkpoints_after_a_refused_try(tmp_path, base):
    keys = {"model_name_or_path": str(base), "dataset": str(texts(tmp_path / "a.jsonl")), "max_steps": 2}
    config = write_config(tmp_path, overwrite_output_dir=True, **keys)
    ingot("train", config)
    before = snapshot(tmp_path / "run/checkpoints")
    for words in (["append_eod=false"], ["json_keys=nope"], []):  # refused twice, then accepted as the same run
        more = [word for one in ["overwrite_output_dir=false", *words] for word in ("--set", one)]
        ingot("train", config, *more, check=not words)
    again = ingot("train", config)
    assert "resuming after step 2" in again.stderr and snapshot(tmp_path / "run/checkpoints") == before


def test_the_same_texts_elsewhere_are_the_same_data_and_found_again(tmp_path, trained):
    config = copied(trained, tmp_path)
    moved = shutil.copy(trained / "a.jsonl", tmp_path / "moved.jsonl")
    went_on = ingot("train", config, "--set", f"dataset={moved}", "--set", "max_steps=3")
    assert "resuming after step 2" in went_on.stderr and "from an earlier run" not in went_on.stderr
    assert json.loads((tmp_path / "run/data/train_text_document.ledger.json").read_text())["work"]["inputs"][0]["path"] == str(moved)
    assert "from an earlier run" in ingot("train", config, "--set", f"dataset={moved}", "--set", "max_steps=4").stderr
    assert not list((tmp_path / "run").glob(".staging*"))


FOREIGN = {"source": "source/main.c", "shards": "data/train_text_document.bin", "metrics": "metrics.jsonl", "checkpoint": "checkpoints/best.ckpt",
           "step": "checkpoints/iter_0000001/weights.bin", "record": "run.json", "model": "model/config.json", "staging": ".staging-data-1/a",
           "lease": "thesis.lease", "partial": ".thesis.partial", "mark": ".ingot"}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("verb", [["train"], ["train", "--check"], ["train", "--set", "overwrite_output_dir=true"], ["preprocess"]], ids=" ".join)
def test_a_folder_whose_entries_merely_have_our_names_is_not_ours(tmp_path, base, verb, name):
    file = tmp_path / "run" / FOREIGN[name]
    file.parent.mkdir(parents=True)
    file.write_text('{"name": "my app", "version": 1}')
    config = write_config(tmp_path, model_name_or_path=str(base), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=1)
    before = snapshot(tmp_path)
    line = refused(ingot(verb[0], config, *verb[1:], check=False))
    assert "no run's" in line and FOREIGN[name].split("/")[0] in line
    assert snapshot(tmp_path) == before


def test_a_preprocessed_folder_is_a_runs(tmp_path, base):
    config = write_config(tmp_path, model_name_or_path=str(base), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=1)
    ingot("preprocess", config)
    assert "from an earlier run" in ingot("train", config).stderr


@pytest.mark.parametrize("left", [[], [".lease.new-0123"], ["..ingot.partial"]])
def test_what_the_first_instants_leave_is_gone_on_with(tmp_path, base, left):
    (tmp_path / "run").mkdir()
    for name in left:
        (tmp_path / "run" / name).write_text("")
    ingot("train", write_config(tmp_path, model_name_or_path=str(base), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=1))


@pytest.mark.parametrize("part", ["source/main.c", "source_layout/main.c", "model/main.c"])
def test_a_foreign_folder_in_a_run_is_left_as_it_is(tmp_path, base, part):
    config = write_config(tmp_path, model_name_or_path=str(base), dataset=str(texts(tmp_path / "a.jsonl")), max_steps=1)
    ingot("preprocess", config)
    file = tmp_path / "run" / part
    file.parent.mkdir()
    file.write_text("int main;")
    before = snapshot(tmp_path)
    assert str(file.parent) in refused(ingot("train", config, check=False)) and snapshot(tmp_path) == before


def test_an_overwrite_leaves_what_is_foreign_among_the_checkpoints(tmp_path, trained):
    config = copied(trained, tmp_path)
    (tmp_path / "run/checkpoints/best.ckpt").write_text("mine")
    ingot("train", config, "--set", "overwrite_output_dir=true", "--set", "seed=7", "--set", "max_steps=1")
    assert (tmp_path / "run/checkpoints/best.ckpt").read_text() == "mine"
    assert [path.name for path in (tmp_path / "run/checkpoints").glob("iter_*")] == ["iter_0000001"]


def test_checkpoints_behind_a_link_are_not_thrown_away(tmp_path, trained):
    config = copied(trained, tmp_path)
    (tmp_path / "run/checkpoints").rename(tmp_path / "disk")
    (tmp_path / "run/checkpoints").symlink_to(tmp_path / "disk")
    before = snapshot(tmp_path)
    line = refused(ingot("train", config, "--set", "overwrite_output_dir=true", "--set", "seed=7", check=False))
    assert str(tmp_path / "run/checkpoints") in line and snapshot(tmp_path) == before
    ingot("train", config, "--set", "max_steps=3")
    assert (tmp_path / "run/checkpoints").is_symlink() and (tmp_path / "disk/iter_0000003").is_dir()
