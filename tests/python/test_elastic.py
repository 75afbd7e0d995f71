"""Jobs that lose ranks and hosts and go on: the same bits as a run that was never interrupted, in a stated time, with nothing left running."""

import os
import pathlib
import random
import re
import signal
import time

import pytest
from conftest import LONG, write_config
from launch_support import Said
from test_meeting import node
from test_ranks import FEW, children_of, free_port, has_reached, trained, wait_for_step, weights_of

KEYS = {**FEW, "reproducible": True, "max_steps": 40, "save_steps": 5}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights of the run that nothing interrupts."""
    return trained(tmp_path_factory.mktemp("whole"), 1, **KEYS)[0]


def is_gone(pid):
    try:
        return (pathlib.Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def ranks_of(job, count):
    """rank -> process of a job, when so many run."""
    end = time.monotonic() + 30
    while len(found := children_of(job.process.pid)) != count:
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("victim", [0, 1])
def test_a_job_that_loses_a_rank_starts_again_and_keeps_its_bits(tmp_path, whole, victim):
    job = Said(tmp_path / "said.txt", "train", write_config(tmp_path, **KEYS), "--nproc", 2, "--max-restarts", 2)
    wait_for_step(tmp_path / "run", 7)
    os.kill(ranks_of(job, 2)[victim], signal.SIGKILL)
    assert job.end() == 0, job.text()
    assert f"rank {victim} was killed by signal 9; restart 1 of 2, from the newest checkpoint" in job.text()
    assert job.text().count("starting ranks 0 to 1 of 2") == 2
    assert "resum" in job.text()
    assert weights_of(tmp_path / "run") == whole


def test_it_goes_on_with_the_ranks_that_are_left_and_that_the_batch_can_be_dealt_to(tmp_path, whole):
    job = Said(tmp_path / "said.txt", "train", write_config(tmp_path, **KEYS), "--nproc", 4, "--max-restarts", 3, "--min-nproc", 1)
    wait_for_step(tmp_path / "run", 7)
    os.kill(ranks_of(job, 4)[2], signal.SIGKILL)
    job.wait_for("starting ranks 0 to 1 of 2")  # 3 are left; 8 rows in micro-batches of 2 go to 1, 2 or 4
    wait_for_step(tmp_path / "run", 15)
    os.kill(ranks_of(job, 2)[0], signal.SIGKILL)
    job.wait_for("starting ranks 0 to 1 of 2")
    assert job.end() == 0, job.text()
    assert weights_of(tmp_path / "run") == whole


@pytest.mark.parametrize("seed", range(10 if LONG else 1))
def test_ranks_killed_and_stopped_at_random_instants_cost_no_bit(tmp_path, whole, seed):
    rng = random.Random(seed)
    keys = rng.choice([{}, {"zero_stage": 1}, {"tensor_model_parallel_size": 2, "logical_tensor_shards": 2}])
    wanted = trained(tmp_path / "whole", 1, **{**KEYS, "logical_tensor_shards": 2})[0] if len(keys) > 1 else whole
    job = Said(tmp_path / "said.txt", "launch", "--nproc", 4, "--min-nproc", 2, "--max-restarts", 100, "--silence", 3, "--grace", 3, "--", "train",
               write_config(tmp_path, **{**KEYS, **keys, "save_steps": 1}))
    hits = 0
    while job.process.poll() is None and hits < 5:
        time.sleep(rng.uniform(0.3, 4))
        ranks = children_of(job.process.pid)
        if ranks:
            os.kill(rng.choice([*ranks.values()]), rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP]))
            hits += 1
    assert job.end(400) == 0, job.text()
    assert weights_of(tmp_path / "run") == wanted
    assert hits > 1


def test_restarts_end_and_the_last_failure_is_named(tmp_path):
    job = Said(tmp_path / "said.txt", "launch", "--nproc", 2, "--max-restarts", 1, "--log-dir", tmp_path / "logs", "--", "train", write_config(tmp_path, **KEYS))
    for start, step in enumerate((3, 12)):
        wait_for_step(tmp_path / "run", step)
        ranks = ranks_of(job, 2)
        os.kill(ranks[1], signal.SIGKILL)
        if start == 0:
            job.wait_for("restart 1 of 1")
    assert job.end() == 4
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["rank_0.log", "rank_0.start_2.log", "rank_1.log", "rank_1.start_2.log"]
    assert f"Its last words, in {tmp_path}/logs/rank_1.start_2.log:" in job.text()
    assert all(map(is_gone, ranks.values()))


def test_what_a_file_is_to_blame_for_is_not_started_again(tmp_path):
    job = Said(tmp_path / "said.txt", "train", write_config(tmp_path, **FEW), "--nproc", 3, "--max-restarts", 5)
    assert job.end() == 2
    assert job.text().count("starting ranks") == 1


def test_fewer_ranks_than_there_are_is_what_min_nproc_means(tmp_path):
    job = Said(tmp_path / "said.txt", "train", write_config(tmp_path, **FEW), "--nproc", 2, "--min-nproc", 3)
    assert job.end() == 2 and "--min-nproc: found 3, wanted at most the 2 ranks of this node" in job.text()


@pytest.mark.parametrize("flags", [["--max-restarts", 1], ["--min-nproc", 1], ["--nnodes", "1:2", "--node-rank", 0, "--master-addr", "127.0.0.1"]])
def test_preprocess_is_not_started_again(tmp_path, flags):
    job = Said(tmp_path / "said.txt", "launch", "--nproc", 2, *flags, "--", "preprocess", write_config(tmp_path, **FEW))
    assert job.end() == 2 and "found preprocess with --max-restarts, --min-nproc or --nnodes MIN:MAX, wanted train" in job.text()


@pytest.mark.parametrize("nodes", ["0", "3:2", "1:", "two", ":2"])
def test_numbers_of_nodes_that_are_none(tmp_path, nodes):
    job = Said(tmp_path / "said.txt", "launch", "--nnodes", nodes, "--", "train", write_config(tmp_path, **FEW))
    assert job.end() == 2 and f"found {nodes}, wanted N or MIN:MAX, from 1 to 65536" in job.text()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_hung_rank_ends_the_job_in_the_stated_time(tmp_path, victim):
    job = Said(tmp_path / "said.txt", "launch", "--nproc", 2, "--silence", 4, "--grace", 5, "--", "train", write_config(tmp_path, **{**KEYS, "max_steps": 100000}))
    wait_for_step(tmp_path / "run", 3)
    ranks = ranks_of(job, 2)
    begin = time.monotonic()
    os.kill(ranks[victim], signal.SIGSTOP)
    assert job.end(30) == 4
    assert 3 < time.monotonic() - begin < 15  # silence, grace, and what the machine takes
    assert re.search(rf"rank {victim} has given no sign of life for 4 s and was killed; the other ranks have 5 s to end\. Its last words, in \S*rank_{victim}\.log:\n  ", job.text())
    assert all(map(is_gone, ranks.values()))


def test_a_hung_rank_is_replaced_as_a_dead_one_is(tmp_path, whole):
    job = Said(tmp_path / "said.txt", "launch", "--nproc", 2, "--silence", 4, "--grace", 5, "--max-restarts", 1, "--", "train", write_config(tmp_path, **KEYS))
    wait_for_step(tmp_path / "run", 7)
    os.kill(ranks_of(job, 2)[1], signal.SIGSTOP)
    assert job.end() == 0, job.text()
    assert weights_of(tmp_path / "run") == whole


@pytest.mark.parametrize("stopped", ["rank 0", "rank 1", "node 0", "node 1"])
def test_a_stop_of_any_rank_or_node_saves_on_all(tmp_path, whole, stopped):
    config, port = write_config(tmp_path, **{**KEYS, "save_steps": 0}), free_port()
    nodes = [node(tmp_path, config, rank, port, "--max-restarts", 3) for rank in (0, 1)]
    wait_for_step(tmp_path / "run", 3)
    kind, number = stopped.split()
    pid = nodes[int(number)].process.pid if kind == "node" else ranks_of(nodes[int(number)], 1)[int(number)]
    os.kill(pid, signal.SIGTERM)
    assert [one.end() for one in nodes] == [143, 143], nodes[0].text() + nodes[1].text()
    step = int((tmp_path / "run/checkpoints/latest_checkpointed_iteration.txt").read_text())
    assert 3 <= step < KEYS["max_steps"]
    again = Said(tmp_path / "again.txt", "train", config)
    assert again.end() == 0 and weights_of(tmp_path / "run") == whole


def test_a_node_that_dies_is_replaced_by_a_spare(tmp_path, whole):
    config, port = write_config(tmp_path, **KEYS), free_port()
    nodes = [node(tmp_path, config, rank, port, "--max-restarts", 2, nodes="2:2") for rank in (0, 1)]
    nodes[0].wait_for("starting ranks 0 to 0 of 2")
    spare = node(tmp_path, config, None, port, nodes="2:2")
    spare.wait_for("waiting for a place that becomes free: this host is a spare")
    wait_for_step(tmp_path / "run", 7)
    lost = ranks_of(nodes[1], 1)
    nodes[1].kill()
    spare.wait_for("starting ranks 1 to 1 of 2")
    assert (nodes[0].end(), spare.end()) == (0, 0), nodes[0].text() + spare.text()
    assert re.search(r"warning: host \S+ \(127\.0\.0\.1\) has gone", nodes[0].text())
    assert all(map(is_gone, lost.values()))
    assert weights_of(tmp_path / "run") == whole


def test_it_goes_on_with_the_nodes_that_are_left(tmp_path, whole):
    config, port = write_config(tmp_path, **KEYS), free_port()
    nodes = [node(tmp_path, config, rank, port, "--max-restarts", 2, nodes="1:2") for rank in (0, 1)]
    wait_for_step(tmp_path / "run", 7)
    nodes[1].kill()
    assert nodes[0].end() == 0, nodes[0].text()
    assert "starting ranks 0 to 0 of 1" in nodes[0].text()
    assert weights_of(tmp_path / "run") == whole


@pytest.mark.parametrize("seed", range(5 if LONG else 1))
def test_nodes_killed_and_replaced_at_random_instants_cost_no_bit(tmp_path, whole, seed):
    rng = random.Random(seed)
    config, port = write_config(tmp_path, **{**KEYS, "save_steps": 1}), free_port()
    flags = ["--max-restarts", 100, "--silence", 4, "--grace", 3]
    first = node(tmp_path, config, 0, port, *flags, nodes="1:2")
    others, victims, hits = [], [], 0
    while first.process.poll() is None and hits < 4:
        while len(others) < 3:  # one and two spares
            (tmp_path / str(hits) / str(len(others))).mkdir(parents=True)
            others.append(node(tmp_path / str(hits) / str(len(others)), config, None, port, *flags, nodes="1:2"))
        end = time.monotonic() + rng.uniform(1, 6)
        while time.monotonic() < end and not has_reached(tmp_path / "run", 8 * (hits + 1)):  # on a fast machine the run would be over
            time.sleep(0.05)
        victim = others.pop(rng.randrange(len(others)))
        victims.append(victim)
        os.kill(victim.process.pid, rng.choice([signal.SIGKILL, signal.SIGSTOP]))
        hits += 1
    assert first.end(300) == 0, first.text()
    for victim in victims:
        victim.kill()
    for other in others:
        assert other.end(30) == 0, other.text()
    assert weights_of(tmp_path / "run") == whole
    assert hits > 1


def test_the_end_of_node_0_is_the_end_of_the_job(tmp_path):
    config, port = write_config(tmp_path, **{**KEYS, "max_steps": 100000}), free_port()
    nodes = [node(tmp_path, config, rank, port, "--max-restarts", 2) for rank in (0, 1)]
    wait_for_step(tmp_path / "run", 3)
    ranks = [*ranks_of(nodes[0], 1).values(), *ranks_of(nodes[1], 1).values()]
    nodes[0].kill()
    assert nodes[1].end(20) == 4
    assert f"error: 127.0.0.1:{port}: the other side has closed the connection" in nodes[1].text()
    assert all(map(is_gone, ranks))
