"""Ranks that are killed at random instants, in saves too: the job ends in time, nothing is left running, and the bits are those of a run that was never interrupted,
whatever the layout that goes on."""

import os
import pathlib
import random
import signal
import time

import pytest
from conftest import LONG, ingot, write_config
from test_ranks import children_of, free_port, start, start_node, trained, weights_of

KEYS = {"reproducible": True, "logical_tensor_shards": 2, "logical_context_shards": 2, "max_steps": 30, "save_steps": 1, "global_batch_size": 8, "micro_batch_size": 2, "val_size": 8, "cutoff_len": 32}
LAYOUTS = [(1, {}), (2, {"tensor_model_parallel_size": 2}), (2, {"zero_stage": 1}), (4, {"tensor_model_parallel_size": 2, "zero_stage": 1}), (4, {}),
           (2, {"pipeline_model_parallel_size": 2}), (4, {"pipeline_model_parallel_size": 2, "tensor_model_parallel_size": 2}),
           (4, {"pipeline_model_parallel_size": 2, "zero_stage": 1}), (4, {"zero_stage": 3}), (2, {"context_parallel_size": 2}), (4, {"context_parallel_size": 2, "pipeline_model_parallel_size": 2})]
MAX_SECONDS = 45  # from a kill to the end of the job: the others have 30 s


def killed_once(config, ranks, rng):
    """Starts the job and kills one of its ranks, if it lives long enough; returns whether it did."""
    process = start(config, "--nproc", ranks)
    time.sleep(rng.uniform(0.3, 3.5))
    children = children_of(process.pid)
    victims = [pid for rank, pid in children.items() if process.poll() is None and pathlib.Path(f"/proc/{pid}").exists()]
    if victims:
        os.kill(rng.choice(victims), signal.SIGKILL)
    begin = time.monotonic()
    process.communicate(timeout=300)
    if process.returncode == 4:
        assert time.monotonic() - begin < MAX_SECONDS
    assert process.returncode in (0, 4), process.returncode
    assert not any(pathlib.Path(f"/proc/{pid}").exists() for pid in children.values())
    return process.returncode == 4


@pytest.mark.parametrize("seed", range(10 if LONG else 1))
def test_killed_ranks_of_any_layout_lose_no_bit(tmp_path, seed):
    rng = random.Random(seed)
    whole = trained(tmp_path / "whole", 1, **KEYS)
    (tmp_path / "killed").mkdir()
    kills = 0
    for _ in range(40 if LONG else 6):
        if kills == (20 if LONG else 3) or (tmp_path / "killed/run/model").exists():
            break
        ranks, keys = rng.choice(LAYOUTS[1:])
        kills += killed_once(write_config(tmp_path / "killed", **{**KEYS, **keys}), ranks, rng)
    ranks, keys = rng.choice(LAYOUTS)
    ingot("train", write_config(tmp_path / "killed", **{**KEYS, **keys}), *(["--nproc", ranks] if ranks > 1 else []))
    assert weights_of(tmp_path / "killed/run") == whole[0]
    print(f"seed {seed}: {kills} kills")
    assert kills > 0


ON_DISKS = [{"zero_stage": 1}, {"zero_stage": 3}, {"zero_stage": 0}, {"tensor_model_parallel_size": 2}, {"pipeline_model_parallel_size": 2}]


def two_nodes_killed_once(folders, config, rng):
    """Starts a job on two nodes with a disk each and kills a rank or a launcher, if both live long enough; returns whether it did."""
    port = free_port()
    jobs = [start_node(rank, port, config, "--silence", 5, "--grace", 3, cwd=folder) for rank, folder in enumerate(folders)]
    time.sleep(rng.uniform(3.5, 9))
    children = [pid for job in jobs for pid in children_of(job.pid).values()]
    is_killed = all(job.poll() is None for job in jobs)
    if is_killed:
        os.kill(rng.choice([*children, *(job.pid for job in jobs)]), signal.SIGKILL)
    said = [job.communicate(timeout=120)[1] for job in jobs]
    assert {job.returncode for job in jobs} <= {0, 4, -signal.SIGKILL}, said
    for _ in range(100):  # those of a killed launcher see that it is gone
        if not any(pathlib.Path(f"/proc/{pid}").exists() for pid in children):
            return is_killed
        time.sleep(0.1)
    pytest.fail(f"ranks are left: {said}")


@pytest.mark.parametrize("seed", range(5 if LONG else 1))
def test_killed_nodes_with_a_disk_each_lose_no_bit(tmp_path, seed):
    rng = random.Random(seed)
    whole = trained(tmp_path / "whole", 1, **KEYS)
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    kills = 0
    for _ in range(30 if LONG else 5):
        if kills == (20 if LONG else 3) or any((folder / "run/model").exists() for folder in folders):
            break
        kills += two_nodes_killed_once(rng.sample(folders, 2), write_config(tmp_path, **{**KEYS, "output_dir": "run", **rng.choice(ON_DISKS)}), rng)
    port, config = free_port(), write_config(tmp_path, **{**KEYS, "output_dir": "run", "zero_stage": 1})
    jobs = [start_node(rank, port, config, cwd=folder) for rank, folder in enumerate(folders)]
    said = [job.communicate(timeout=300)[1] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    assert weights_of(folders[0] / "run") == whole[0]
    print(f"seed {seed}: {kills} kills")
    assert kills > 0
