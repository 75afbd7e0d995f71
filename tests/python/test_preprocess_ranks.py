"""Preprocessing by several processes: the same files for every number of them, and what a kill or a stop costs."""

import gzip
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pyarrow
import pyarrow.parquet
import pytest

from conftest import INGOT, ROOT, ingot, write_config
from test_ranks import children_of

WORDS = "Once upon a time there was a little dog who went to the sea and saw seven ships, an old man and 日本の雨.".split()


def sentence(chance, words):
    return " ".join(chance.choices(WORDS, k=words))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Some 7 MB of texts of every kind, with records of every fate."""
    folder, chance = tmp_path_factory.mktemp("corpus"), random.Random(7)
    with open(folder / "a.jsonl", "w", encoding="utf-8", newline="") as file:
        for i in range(16000):
            record = json.dumps({"text": sentence(chance, 1 + i % 80), f"k{i % 7}": i}, ensure_ascii=i % 2 == 0)
            file.write("broken" if i % 500 == 9 else "" if i % 300 == 4 else '{"text": null}' if i % 700 == 2 else record)
            file.write("\r\n" if i % 3 else "\n")
    (folder / "b.jsonl.gz").write_bytes(gzip.compress((folder / "a.jsonl").read_bytes()[:300000].rsplit(b"\n", 1)[0]))
    (folder / "c.csv").write_text("text,n\n" + "".join(f'"{sentence(chance, 9)}\n",{i}\n' for i in range(2000)), encoding="utf-8")
    (folder / "d").mkdir()
    for i in range(60):
        (folder / f"d/{i:03}.txt").write_text(sentence(chance, 20 * i), encoding="utf-8")
    rows = [sentence(chance, 60) + str(i) if i % 90 else None for i in range(6000)]
    pyarrow.parquet.write_table(pyarrow.table({"text": rows, "id": list(range(6000))}), folder / "e.parquet", row_group_size=500,
                                compression="none", use_dictionary=False)
    return folder


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """Conversations: JSON lines that are cut, and an array that is not."""
    folder, chance = tmp_path_factory.mktemp("talk"), random.Random(8)
    records = [{"instruction": sentence(chance, 1 + i % 40), "output": sentence(chance, 1 + i % 90) if i % 37 else 7, "id": i} for i in range(24000)]
    (folder / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    (folder / "b.json").write_text(json.dumps(records[:200]), encoding="utf-8")
    return folder


def config_of(folder, stage, corpus, talk, **keys):
    folder.mkdir(exist_ok=True)
    if stage == "sft":
        keys = {"stage": "sft", "template": "default", "packing": True, "dataset": str(talk), "cutoff_len": 128, **keys}
    else:
        keys = {"dataset": str(corpus), "eval_dataset": str(corpus / "d"), **keys}
    return write_config(folder, preprocessing_num_workers=1, **keys)


def files_of(run):
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((run / "data").rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def alone(tmp_path_factory, corpus, talk):
    """stage -> the files that one process makes."""
    made = {}
    for stage in ("pt", "sft"):
        folder = tmp_path_factory.mktemp(f"alone_{stage}")
        ingot("preprocess", config_of(folder, stage, corpus, talk))
        made[stage] = files_of(folder / "run")
        assert len(made[stage]) >= 6
    return made


def pieces_of(run):
    return sorted((run / "data").glob(".*.pieces/*.piece"))


def start(config, *arguments, environment=None):
    return subprocess.Popen([INGOT, "preprocess", str(config), *map(str, arguments)], cwd=ROOT, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, **(environment or {})})


def wait_for_pieces(run, count, process):
    for _ in range(6000):
        if len(pieces_of(run)) >= count or process.poll() is not None:
            return
        time.sleep(0.005)
    pytest.fail("no pieces within half a minute")


def made_by(said):
    """Blocks that each rank says it has made, over all outputs."""
    return [int(count) for count in re.findall(r"rank \d+ of \d+ has made (\d+) of \d+ blocks", said)]


def launched(config, ranks, logs):
    """What all ranks of a job say that ends well."""
    ingot("launch", "--nproc", ranks, "--log-dir", logs, "--", "preprocess", config)
    return "".join(path.read_text() for path in sorted(logs.glob("rank_*.log")))


@pytest.mark.parametrize("stage", ["pt", "sft"])
@pytest.mark.parametrize("ranks", [2, 4])
def test_the_number_of_processes_changes_no_byte(tmp_path, corpus, talk, alone, stage, ranks):
    said = launched(config_of(tmp_path, stage, corpus, talk), ranks, tmp_path / "logs")
    assert files_of(tmp_path / "run") == alone[stage]
    made = made_by(said)
    assert sum(made) >= 4 and sum(count > 0 for count in made) > 1, said  # more than one had a share


def is_finished(run):
    return any(run.glob("data/train*.ledger.json"))


@pytest.mark.parametrize("stage", ["pt", "sft"])
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_rank_costs_its_block(tmp_path, corpus, talk, alone, stage, victim):
    config = config_of(tmp_path, stage, corpus, talk)
    for _ in range(10):  # until the kill comes before the end
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        process = start(config, "--nproc", 2)
        wait_for_pieces(tmp_path / "run", 2, process)
        ranks = children_of(process.pid)
        if victim in ranks:
            os.kill(ranks[victim], signal.SIGKILL)
        said = process.communicate(timeout=30)[1]
        if not is_finished(tmp_path / "run"):
            break
    assert process.returncode == 4 and f"rank {victim} was killed by signal 9" in said, said
    left = len(pieces_of(tmp_path / "run"))
    assert left >= 2
    said = launched(config, 2, tmp_path / "logs")
    found = re.search(rf"{left} of (\d+) blocks are there from an earlier start", said)
    assert found, said
    total = int(found[1])
    assert sum(int(count) for count in re.findall(rf"has made (\d+) of {total} blocks", said)) == total - left, said
    assert files_of(tmp_path / "run") == alone[stage]


def test_a_stop_ends_all_ranks_and_loses_no_block(tmp_path, corpus, talk, alone):
    config = config_of(tmp_path, "pt", corpus, talk)
    process = start(config, "--nproc", 2)
    wait_for_pieces(tmp_path / "run", 2, process)
    ranks = children_of(process.pid)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=10)[1]
    assert process.returncode == 143 and "the blocks that are made are kept" in said, said
    assert not any(pathlib.Path(f"/proc/{pid}").exists() for pid in ranks.values())
    left = len(pieces_of(tmp_path / "run"))
    said = ingot("preprocess", config).stderr  # one process goes on with what two have made
    assert f"{left} of " in said and "blocks are there from an earlier start" in said
    assert files_of(tmp_path / "run") == alone["pt"]


def kill_behind(config, run, pieces):
    """One process that is killed when it has made so many pieces."""
    process = start(config)
    wait_for_pieces(run, pieces, process)
    process.kill()
    process.communicate()


def test_one_process_goes_on_behind_its_blocks_too(tmp_path, corpus, talk, alone):
    config = config_of(tmp_path, "sft", corpus, talk)
    kill_behind(config, tmp_path / "run", 1)
    left = len(pieces_of(tmp_path / "run"))
    assert left >= 1 and f"{left} of " in ingot("preprocess", config).stderr
    assert files_of(tmp_path / "run") == alone["sft"]


def test_finished_work_is_found_by_all_ranks(tmp_path, corpus, talk):
    config = config_of(tmp_path, "pt", corpus, talk)
    ingot("preprocess", config, "--nproc", 2)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "run/data").iterdir()}
    said = ingot("preprocess", config, "--nproc", 2, timeout=20).stderr
    assert "(from an earlier run)" in said
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "run/data").iterdir()}


def test_a_damaged_piece_is_named_and_made_again(tmp_path, corpus, talk, alone):
    config = config_of(tmp_path, "pt", corpus, talk)
    kill_behind(config, tmp_path / "run", 2)
    damaged = pieces_of(tmp_path / "run")[0]
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 16
    damaged.write_bytes(data)
    said = ingot("preprocess", config, "--nproc", 2).stderr
    assert re.search(rf"warning: {damaged}: its bytes are not those that were written; block 1 of \d+ is made again", said), said
    assert files_of(tmp_path / "run") == alone["pt"]


def test_a_second_job_in_one_folder_is_refused_at_once(tmp_path, corpus, talk, alone):
    config = config_of(tmp_path, "pt", corpus, talk)
    first = start(config, "--nproc", 2)
    wait_for_pieces(tmp_path / "run", 1, first)
    (tmp_path / "other").mkdir()
    other = config_of(tmp_path / "other", "pt", corpus, talk, append_eod=False, output_dir=str(tmp_path / "run"))
    second = ingot("preprocess", other, "--nproc", 2, check=False, timeout=15)
    said = first.communicate(timeout=60)[1]
    assert second.returncode == 2 and "another run writes it: process" in second.stderr, second.stderr
    assert first.returncode == 0, said
    assert files_of(tmp_path / "run") == alone["pt"]


@pytest.mark.parametrize("keys, status, message", [
    ({"json_keys": "nothing"}, 3, "no column nothing"),
    ({"model_name_or_path": "/nowhere"}, 2, "/nowhere"),
])
def test_what_every_rank_refuses_has_its_own_exit_code(tmp_path, corpus, talk, keys, status, message):
    result = ingot("preprocess", config_of(tmp_path, "pt", corpus, talk, **keys), "--nproc", 2, check=False, timeout=20)
    assert result.returncode == status and message in result.stderr, result.stderr


def test_a_bad_file_ends_the_job_with_its_line(tmp_path, corpus, talk):
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.jsonl").write_bytes((corpus / "a.jsonl").read_bytes())
    (files / "b.jsonl.gz").write_bytes((corpus / "b.jsonl.gz").read_bytes()[:-500])
    result = ingot("preprocess", config_of(tmp_path, "pt", files, talk, eval_dataset=[]), "--nproc", 2, check=False, timeout=20)
    assert result.returncode == 3 and "b.jsonl.gz: gzip stream ends early" in result.stderr, result.stderr


def test_a_disk_that_is_full_is_said(tmp_path, corpus, talk):
    (tmp_path / "disk").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", tmp_path / "disk"], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here: " + mounted.stderr.decode().strip())
    try:
        config = config_of(tmp_path, "pt", corpus, talk, output_dir=str(tmp_path / "disk/run"))
        result = ingot("preprocess", config, "--nproc", 2, check=False, timeout=20)
        assert result.returncode == 4 and "No space left on device" in result.stderr, result.stderr
    finally:
        subprocess.run(["umount", "-l", tmp_path / "disk"], check=True)


def test_any_launcher_may_start_the_ranks(tmp_path, corpus, talk, alone):
    config = config_of(tmp_path, "sft", corpus, talk)
    ranks = []
    for rank in (1, 0):  # rank 1 waits for rank 0
        ranks.append(start(config, environment={"SLURM_PROCID": str(rank), "SLURM_STEP_NUM_TASKS": "2", "SLURM_LOCALID": str(rank),
                                                "SLURM_STEP_NODELIST": "localhost"}))
        time.sleep(0.3)
    for process in ranks:
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 0 and "of 2 (Slurm)" in said, said
    assert files_of(tmp_path / "run") == alone["sft"]


def test_a_rank_works_no_longer_than_rank_0_and_helps_the_next_one(tmp_path, corpus, talk, alone):
    """As on another machine, where nobody tells it that rank 0 has ended."""
    config = config_of(tmp_path, "pt", corpus, talk)
    ranks = [start(config, environment={"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}) for rank in (0, 1)]
    wait_for_pieces(tmp_path / "run", 3, ranks[0])
    ranks[0].kill()
    ranks[0].communicate()
    if is_finished(tmp_path / "run"):
        pytest.skip("rank 0 was done before it was killed")
    time.sleep(1)
    left = len(pieces_of(tmp_path / "run"))
    time.sleep(1)
    assert ranks[1].poll() is None and len(pieces_of(tmp_path / "run")) == left
    ingot("preprocess", config, environment={"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"})
    said = ranks[1].communicate(timeout=60)[1]
    assert ranks[1].returncode == 0, said
    assert files_of(tmp_path / "run") == alone["pt"]


def test_two_nodes_of_one_rank_are_two_ranks(tmp_path, corpus, talk, alone):
    config = config_of(tmp_path, "pt", corpus, talk)
    nodes = [subprocess.Popen([INGOT, "launch", "--nproc", "1", "--nnodes", "2", "--node-rank", str(rank), "--master-addr", "localhost", "--",
                               "preprocess", str(config)], cwd=ROOT, stderr=subprocess.PIPE, text=True) for rank in (0, 1)]
    for node in nodes:
        said = node.communicate(timeout=60)[1]
        assert node.returncode == 0, said
    assert files_of(tmp_path / "run") == alone["pt"]


def test_a_rank_that_waits_for_rank_0_ends_at_once_when_it_is_told_to(tmp_path, corpus, talk):
    process = start(config_of(tmp_path, "pt", corpus, talk),
                    environment={"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"})
    while "rank 1 of 2" not in process.stderr.readline():
        pass
    time.sleep(0.5)
    process.terminate()
    assert process.wait(timeout=5) == 143
    assert not (tmp_path / "run").exists()


def test_ranks_of_different_work_are_told_apart(tmp_path, corpus, talk):
    environment = {"LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    first = start(config_of(tmp_path / "a", "pt", corpus, talk, output_dir=str(tmp_path / "run")), environment={**environment, "RANK": "0"})
    try:
        wait_for_pieces(tmp_path / "run", 1, first)
        first.send_signal(signal.SIGSTOP)
        other = config_of(tmp_path / "b", "pt", corpus, talk, append_eod=False, output_dir=str(tmp_path / "run"))
        refused = ingot("preprocess", other, check=False, timeout=20, environment={**environment, "RANK": "1"})
    finally:
        first.kill()
        first.communicate()
    assert refused.returncode == 2 and "rank 0, or another job, makes it of other options than rank 1 would" in refused.stderr, refused.stderr


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
