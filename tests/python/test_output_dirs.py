"""What is refused leaves output_dir and the targets of export and convert as they are; what is ours is known by its marks."""

import json
import os
import shutil
import subprocess
import time

import pytest
from conftest import INGOT, ROOT, ingot, write_config
from test_folders import base, snapshot, texts, tiny  # noqa: F401  (base is a fixture)

CONFIG, DATA = 2, 3
TALK = '{"instruction":"Say yes","input":"","output":"yes"}\n' * 40


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
           "lease": "thesis.lease", "lease of another": ".lease.pdf", "partial": ".thesis.partial", "mark": ".ingot"}


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


def test_an_overwrite_leaves_hidden_files_among_the_checkpoints(tmp_path, trained):
    config = copied(trained, tmp_path)
    for name in (".git/HEAD", ".notes.txt"):
        (tmp_path / "run/checkpoints" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "run/checkpoints" / name).write_text("mine")
    ingot("train", config, "--set", "overwrite_output_dir=true", "--set", "seed=7", "--set", "max_steps=1")
    assert all((tmp_path / "run/checkpoints" / name).read_text() == "mine" for name in (".git/HEAD", ".notes.txt"))


@pytest.mark.parametrize("name", ["iter_0000077/thesis.txt", "iter_0000500/model_optim_rng.pt", "iter_0000003/manifest.json", "iter_0000002/thesis.txt"])
@pytest.mark.parametrize("words", [["overwrite_output_dir=true", "seed=7"], ["save_total_limit=1"]], ids=["overwrite", "limit"])
def test_a_foreign_folder_with_a_checkpoints_name_is_refused_at_the_start(tmp_path, trained, name, words):
    config = copied(trained, tmp_path)
    file = tmp_path / "run/checkpoints" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text('{"name": "my app"}')
    before = snapshot(tmp_path)
    line = refused(ingot("train", config, "--set", "max_steps=4", *[word for one in words for word in ("--set", one)], check=False))
    assert str(file.parent) in line and snapshot(tmp_path) == before


def test_checkpoints_behind_a_link_are_not_thrown_away(tmp_path, trained):
    config = copied(trained, tmp_path)
    (tmp_path / "run/checkpoints").rename(tmp_path / "disk")
    (tmp_path / "run/checkpoints").symlink_to(tmp_path / "disk")
    before = snapshot(tmp_path)
    line = refused(ingot("train", config, "--set", "overwrite_output_dir=true", "--set", "seed=7", check=False))
    assert str(tmp_path / "run/checkpoints") in line and snapshot(tmp_path) == before
    ingot("train", config, "--set", "max_steps=3")
    assert (tmp_path / "run/checkpoints").is_symlink() and (tmp_path / "disk/iter_0000003").is_dir()


@pytest.fixture(scope="module")
def adapted(tmp_path_factory, base):
    """The folder of a LoRA run."""
    folder = tmp_path_factory.mktemp("adapted")
    ingot("train", write_config(folder, model_name_or_path=str(base), dataset=str(texts(folder / "a.jsonl")), max_steps=1, finetuning_type="lora"))
    return folder


@pytest.mark.parametrize("inside", ["", "/deep/below"])
@pytest.mark.parametrize("part", ["source", "source_layout", "data", "checkpoints", "checkpoints/iter_0000001", "adapter", "model"])
def test_an_export_never_lands_on_what_a_run_works_with(tmp_path, adapted, part, inside):
    if part == "model" and not inside:
        return  # it may be made again
    shutil.copytree(adapted / "run", tmp_path / "run")
    before = snapshot(tmp_path)
    line = refused(ingot("export", tmp_path / "run", "--merge", "--to", f"{tmp_path}/run/{part}{inside}", check=False))
    assert part.split("/")[0] in line and snapshot(tmp_path) == before


@pytest.mark.parametrize("verb", ["convert", "export"])
@pytest.mark.parametrize("place", ["base", "base/below", ".", "adapter", "adapter/below"])
def test_a_merge_never_lands_on_what_it_is_made_of(tmp_path, adapted, trained, verb, place):
    """Base and adapter were written by Ingot: as exports they might be replaced."""
    ingot("export", trained / "run", "--to", tmp_path / "in/base")
    ingot("train", write_config(tmp_path, model_name_or_path=str(tmp_path / "in/base"), dataset=str(trained / "a.jsonl"), max_steps=1, finetuning_type="lora"))
    ingot("export", tmp_path / "run", "--adapter", "--to", tmp_path / "in/adapter")
    if verb == "convert":
        command = ("convert", "--from", tmp_path / "in/base", "--adapter", tmp_path / "in/adapter", "--to", tmp_path / "in" / place)
    elif "adapter" in place:
        return  # it is not read by an export
    else:
        command = ("export", tmp_path / "run", "--merge", "--to", tmp_path / "in" / place)
    before = snapshot(tmp_path)
    refused(ingot(*command, check=False))
    assert snapshot(tmp_path) == before


def test_an_export_replaces_its_own_kind_alone(tmp_path, adapted):
    ingot("export", adapted / "run", "--adapter", "--to", tmp_path / "out")
    before = snapshot(tmp_path)
    assert "as adapter" in refused(ingot("export", adapted / "run", "--merge", "--to", tmp_path / "out", check=False))
    assert snapshot(tmp_path) == before
    ingot("export", adapted / "run", "--adapter", "--to", tmp_path / "out")


@pytest.mark.parametrize("target_is_there", [True, False])
@pytest.mark.parametrize("name", [".out.ingot-previous/thesis.tex", ".out.ingot-previous"])
def test_a_foreign_sibling_of_an_export_is_left_alone(tmp_path, trained, name, target_is_there):
    if target_is_there:
        ingot("export", trained / "run", "--to", tmp_path / "out")
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("years of work")
    before = snapshot(tmp_path)
    line = refused(ingot("export", trained / "run", "--to", tmp_path / "out", check=False))
    assert ".out.ingot-previous" in line and snapshot(tmp_path) == before


def test_exports_whose_names_look_like_parts_of_each_other_do_not_meet(tmp_path, trained):
    for name in ("x", "removed-x"):
        ingot("export", trained / "run", "--to", tmp_path / name)
        (tmp_path / f".staging-{name}-1").mkdir()  # of another process, killed or not
    ingot("export", trained / "run", "--to", tmp_path / "x")
    assert not (tmp_path / ".staging-x-1").exists() and (tmp_path / ".staging-removed-x-1").exists()


def test_a_link_to_nothing_is_said_to_be_one(tmp_path, trained):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for form in ("link", "link/"):
        line = refused(ingot("export", trained / "run", "--to", f"{tmp_path}/{form}", check=False))
        assert f"{tmp_path}/link" in line and "a link to what is not there" in line
    config = copied(trained, tmp_path)
    for verb in (["train"], ["train", "--check"], ["preprocess"]):
        line = refused(ingot(verb[0], config, *verb[1:], "--set", f"output_dir={tmp_path}/link", check=False))
        assert f"output_dir: {tmp_path}/link" in line and "a link to what is not there" in line
    assert not (tmp_path / "gone").exists()


def test_a_mount_point_is_refused_by_name(tmp_path, trained):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here: " + mounted.stderr.strip())
    try:
        assert f"{disk}: is where a disk is mounted" in refused(ingot("export", trained / "run", "--to", disk, check=False))
        ingot("export", trained / "run", "--to", disk / "out")
    finally:
        subprocess.run(["umount", disk], check=True)


CHECK_AND_START = pytest.mark.parametrize("flags", [["--check"], []], ids=["check", "start"])


@CHECK_AND_START
@pytest.mark.parametrize("kind, name, content", [("full", "model", None), ("full", "model/config.json", "{}"), ("lora", "adapter", None), ("lora", "adapter/a", "x"),
                                                 ("lora", "model/config.json", "{}")])
def test_what_stands_where_the_run_exports_to_is_refused_at_the_start(tmp_path, trained, kind, name, content, flags):
    config = copied(trained, tmp_path)
    shutil.rmtree(tmp_path / "run/model")
    file = tmp_path / "run" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content or "a file")
    before = snapshot(tmp_path)
    more = ["--set", f"output_dir={tmp_path}/run", "--set", f"finetuning_type={kind}", "--set", "overwrite_output_dir=true"]
    line = refused(ingot("train", config, *more, *flags, check=False))
    assert str(tmp_path / "run" / name.split("/")[0]) in line and snapshot(tmp_path) == before


@CHECK_AND_START
def test_an_export_of_the_run_that_may_not_be_looked_at_is_refused_at_the_start(tmp_path, trained, flags):
    config = copied(trained, tmp_path)
    (tmp_path / "run/model").chmod(0)
    try:
        assert f"{tmp_path / 'run/model'}: cannot be written to: Permission denied" in refused(bound("train", config, "--set", "max_steps=3", *flags))
    finally:
        (tmp_path / "run/model").chmod(0o755)


WITHOUT_OVERRIDE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]


def bound(*command):
    """Runs the program as a user whom rights bind."""
    prefix = WITHOUT_OVERRIDE if os.geteuid() == 0 else []
    if prefix and subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("root cannot give up the right to write everywhere here: setpriv failed")
    return subprocess.run([*prefix, INGOT, *map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False)


@CHECK_AND_START
@pytest.mark.parametrize("name", ["checkpoints", "data", "."])
def test_a_part_of_the_run_that_takes_no_files_is_refused_at_the_start(tmp_path, trained, name, flags):
    config = copied(trained, tmp_path)
    part = tmp_path / "run" / name
    part.chmod(0o555)
    try:
        line = refused(bound("train", config, "--set", "max_steps=3", *flags))
        assert f"output_dir: {part}: cannot be written: Permission denied" in line
    finally:
        part.chmod(0o755)


def test_a_checkpoint_that_may_not_be_read_is_named(tmp_path, trained):
    config = copied(trained, tmp_path)
    newest = tmp_path / "run/checkpoints/iter_0000002"
    newest.chmod(0)
    try:
        result = bound("train", config, "--set", "max_steps=3")
        assert str(newest) in refused(result, result.returncode) and result.returncode in (2, 3) and "Permission denied" in result.stderr
    finally:
        newest.chmod(0o755)


def test_what_an_export_cannot_remove_of_the_old_one_is_said(tmp_path, trained):
    ingot("export", trained / "run", "--to", tmp_path / "out")
    (tmp_path / "out").chmod(0o555)
    result = bound("export", trained / "run", "--to", tmp_path / "out")
    left = list(tmp_path.glob(".staging*"))
    for folder in left:
        folder.chmod(0o755)
    assert result.returncode == 0 and len(left) == 1 and result.stderr.count(f"warning: {left[0]}: cannot be removed") == 1, result.stderr


@CHECK_AND_START
@pytest.mark.parametrize("key", ["model_name_or_path", "adapter_name_or_path", "dataset", "eval_dataset", "template"])
def test_what_a_run_reads_does_not_lie_where_it_writes(tmp_path, base, adapted, key, flags):
    run = tmp_path / "run"
    more = {"stage": "sft", "cutoff_len": 128, "template": "alpaca"} if key == "template" else {"finetuning_type": "lora"} if "adapter" in key else {}
    sources = {"model_name_or_path": base, "adapter_name_or_path": adapted / "run/adapter", "template": ROOT / "examples/smollm2_identity_lora.yaml"}
    talk = tmp_path / "talk.jsonl"
    talk.write_text(TALK)
    config = write_config(tmp_path, **{"model_name_or_path": str(base), "dataset": str(talk), "max_steps": 1, **more, key: str(run / "x")})
    source = sources.get(key, talk)
    run.mkdir()
    (shutil.copytree if source.is_dir() else shutil.copy)(source, run / "x")
    before = snapshot(tmp_path)
    line = refused(ingot("train", config, *flags, check=False))
    assert f"{key}: found {run / 'x'}, wanted a path outside of output_dir" in line and snapshot(tmp_path) == before


@CHECK_AND_START
@pytest.mark.parametrize("key", ["dataset", "eval_dataset"])
def test_an_output_dir_among_the_data_is_refused(tmp_path, base, key, flags):
    (tmp_path / "corpus").mkdir()
    texts(tmp_path / "corpus/a.jsonl")
    keys = {"dataset": str(texts(tmp_path / "b.jsonl")), key: str(tmp_path / "corpus"), "output_dir": str(tmp_path / "corpus/run")}
    config = write_config(tmp_path, model_name_or_path=str(base), max_steps=1, **keys)
    before = snapshot(tmp_path)
    line = refused(ingot("train", config, *flags, check=False))
    assert f"output_dir: found {tmp_path / 'corpus/run'}, wanted a folder outside of {key}" in line and snapshot(tmp_path) == before


@pytest.mark.parametrize("key", ["model_name_or_path", "adapter_name_or_path", "dataset", "eval_dataset", "template", "output_dir"])
def test_a_tilde_is_not_taken_for_a_home(tmp_path, base, key):
    more = {"stage": "sft", "cutoff_len": 128, "template": "alpaca"} if key == "template" else {"finetuning_type": "lora"} if "adapter" in key else {}
    keys = {"model_name_or_path": str(base), "dataset": str(texts(tmp_path / "a.jsonl")), **more, key: "~/x"}
    line = ingot("train", write_config(tmp_path, **keys), "--check", check=False)
    assert line.returncode == CONFIG and f"{key}: found ~/x, wanted a path without ~, which a shell expands and YAML does not" in line.stderr, line.stderr


def test_a_tilde_of_a_target_is_not_taken_for_a_home(trained):
    assert "only a shell expands" in refused(ingot("export", trained / "run", "--to=~/x", check=False))


def test_a_running_run_is_not_preprocessed_into(tmp_path, trained):
    config = copied(trained, tmp_path)
    process = subprocess.Popen([INGOT, "train", str(config), "--set", "max_steps=100000"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if (tmp_path / "run/.lease").exists():
                break
            time.sleep(0.05)
        assert f"another run writes it: process {process.pid}" in refused(ingot("preprocess", config, "--set", "append_eod=false", check=False))
    finally:
        process.kill()
        process.wait()


def test_an_adapter_is_exported_for_its_own_base_alone(tmp_path, adapted, base):
    other = tiny(tmp_path / "other", seed=3)
    before = snapshot(tmp_path)
    assert "digest" in refused(ingot("export", adapted / "run", "--adapter", "--base", other, "--to", tmp_path / "out", check=False))
    assert snapshot(tmp_path) == before
    shutil.copytree(base, tmp_path / "moved")
    ingot("export", adapted / "run", "--adapter", "--base", tmp_path / "moved", "--to", tmp_path / "out")
    assert json.loads((tmp_path / "out/adapter_config.json").read_text())["base_model_name_or_path"] == str(tmp_path / "moved")


def test_a_second_document_of_a_configuration_an_empty_target_and_a_batch_beyond_bounds_are_refused(tmp_path, trained):
    config = copied(trained, tmp_path)
    before = snapshot(tmp_path / "run")
    refused(ingot("train", config, "--check", "--set", "global_batch_size=4294967296", check=False))
    assert ingot("export", tmp_path / "run", "--to", "", check=False).returncode == CONFIG
    config.write_text(config.read_text() + "...\nseed: 7\n")
    assert str(config) in refused(ingot("train", config, "--check", check=False))
    assert snapshot(tmp_path / "run") == before


@pytest.mark.parametrize("verb", ["eval", "generate"])
def test_the_folder_of_a_run_is_no_model(trained, verb):
    more = {"eval": ["--data", trained / "a.jsonl"], "generate": ["--prompt", "Once"]}[verb]
    result = ingot(verb, "--model", trained / "run", *more, check=False)
    assert result.returncode == 2 and f"wanted {trained / 'run/model'}" in result.stderr, result.stderr
