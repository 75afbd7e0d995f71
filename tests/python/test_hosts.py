"""Two hosts that are network namespaces with a wire between them: what goes wrong on a network ends in the right sentence and in time."""

import re
import shutil
import subprocess
import sys
import time

import pytest
from conftest import write_config
from launch_support import TOKEN, Said
from network_hosts import SlowWire, call_by_name, two_hosts
from test_elastic import KEYS, is_gone, ranks_of
from test_ranks import trained, wait_for_step, weights_of

PORT = 29500


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights of the run that nothing interrupts."""
    return trained(tmp_path_factory.mktemp("whole"), 1, **KEYS)[0]


def start(folder, hosts, i, config, *flags, master=None, nodes="2", overrides=()):
    """ingot launch on host i, with one rank."""
    flags = [*flags, "--nnodes", nodes, "--node-rank", i, "--master-addr", master or hosts[0].address, "--master-port", PORT]
    return Said(folder / f"host_{i}.txt", "launch", *flags, "--", "train", config, *(f"--set={pair}" for pair in overrides),
                environment={"INGOT_TOKEN": TOKEN}, prefix=hosts[i].prefix())


def test_two_hosts_give_the_bits_of_one_process(tmp_path, whole):
    with two_hosts() as (hosts, _):
        jobs = [start(tmp_path, hosts, i, write_config(tmp_path, **KEYS)) for i in (0, 1)]
        assert [job.end() for job in jobs] == [0, 0], jobs[0].text() + jobs[1].text()
    assert weights_of(tmp_path / "run") == whole


@pytest.mark.parametrize("nodes", ["2", "1:2"])
def test_a_partition_is_noticed_on_both_sides_in_the_stated_time(tmp_path, whole, nodes):
    with two_hosts() as (hosts, wire):
        config = write_config(tmp_path, **{**KEYS, "max_steps": 100000 if nodes == "2" else KEYS["max_steps"]})
        jobs = [start(tmp_path, hosts, i, config, "--silence", 5, "--grace", 3, "--max-restarts", 0 if nodes == "2" else 1, nodes=nodes) for i in (0, 1)]
        wait_for_step(tmp_path / "run", 7)
        ranks = [*ranks_of(jobs[0], 1).values(), *ranks_of(jobs[1], 1).values()]
        wire.cut()
        begin = time.monotonic()
        assert jobs[1].end(30) == 4
        assert 4 < time.monotonic() - begin < 20
        assert f"error: {hosts[0].address}:{PORT}: the host of node 0 has said nothing for 5 s" in jobs[1].text()
        assert is_gone(ranks[1])
        if nodes == "2":
            assert jobs[0].end(30) == 4
            assert time.monotonic() - begin < 25
        else:
            assert jobs[0].end() == 0, jobs[0].text()
            assert "starting ranks 0 to 0 of 1" in jobs[0].text()
            assert weights_of(tmp_path / "run") == whole
        assert re.search(rf"warning: host \S+ \({hosts[1].address}\) has said nothing for 5 s", jobs[0].text())
        assert is_gone(ranks[0])


def test_a_slow_link_is_slow_and_nothing_else(tmp_path):
    """200 ms there and back: a step of several dozen sums takes ten seconds and more. The silence that is borne is shorter."""
    (tmp_path / "slow").mkdir()
    keys = {**KEYS, "max_steps": 2, "val_size": 0}
    with two_hosts(SlowWire, seconds=0.1) as (hosts, wire):
        begin = time.monotonic()
        jobs = [start(tmp_path, hosts, i, write_config(tmp_path / "slow", **keys), "--silence", 5) for i in (0, 1)]
        assert [job.end(240) for job in jobs] == [0, 0], jobs[0].text() + jobs[1].text()
        assert time.monotonic() - begin > 10
        assert wire.carried > 1 << 20
    assert "error" not in jobs[0].text() and "has said nothing" not in jobs[0].text()
    assert weights_of(tmp_path / "slow/run") == trained(tmp_path / "whole", 1, **keys)[0]


def test_a_port_at_which_nobody_listens(tmp_path):
    with two_hosts() as (hosts, _):
        job = start(tmp_path, hosts, 1, write_config(tmp_path, **KEYS), "--patience", 3)
        assert job.end(20) == 4
    assert f"{hosts[0].address}:{PORT}: Connection refused; trying again for 3 s" in job.text()
    assert f"error: {hosts[0].address}:{PORT}: Connection refused; tried for 3 s" in job.text()


def test_a_host_that_no_packet_reaches(tmp_path):
    with two_hosts() as (hosts, wire):
        wire.cut()
        job = start(tmp_path, hosts, 1, write_config(tmp_path, **KEYS), "--patience", 3)
        assert job.end(30) == 4
    assert re.search(rf"error: {hosts[0].address}:{PORT}: (Connection timed out|No route to host); tried for 3 s", job.text())


def test_another_configuration_on_one_host(tmp_path):
    with two_hosts() as (hosts, _):
        jobs = [start(tmp_path, hosts, i, write_config(tmp_path, **KEYS), "--max-restarts", 3, overrides=["learning_rate=0.5"] if i else []) for i in (0, 1)]
        assert [job.end(60) for job in jobs] == [2, 2], jobs[0].text() + jobs[1].text()
    for job in jobs:
        assert f"rank 1 ({hosts[1].address}) has another configuration than rank 0: learning_rate: found 0.5, rank 0 has 0.001" in job.text()


def test_a_host_that_comes_late_is_waited_for(tmp_path, whole):
    with two_hosts() as (hosts, _):
        config = write_config(tmp_path, **KEYS)
        jobs = [start(tmp_path, hosts, 1, config)]
        jobs[0].wait_for(f"{hosts[0].address}:{PORT}: Connection refused; trying again for 600 s")
        jobs.append(start(tmp_path, hosts, 0, config))
        assert [job.end() for job in jobs] == [0, 0], jobs[0].text() + jobs[1].text()
    assert weights_of(tmp_path / "run") == whole


def test_the_first_host_says_for_whom_it_waits(tmp_path):
    with two_hosts() as (hosts, _):
        job = start(tmp_path, hosts, 0, write_config(tmp_path, **KEYS), "--patience", 8)
        assert job.end(30) == 4
    assert "waiting for host 1 of 2" in job.text() and "error: waited 8 s for host 1 of 2" in job.text()


def test_a_name_that_does_not_resolve_at_first(tmp_path, whole):
    with two_hosts() as (hosts, _):
        config = write_config(tmp_path, **KEYS)
        folders = [call_by_name(host, {} if host is hosts[1] else {"node-0": host.address}) for host in hosts]
        try:
            lost = start(tmp_path, hosts, 1, config, "--patience", 2, master="node-0")
            assert lost.end(30) == 4
            assert re.search(r"node-0: (Name or service not known|Temporary failure in name resolution|No address associated with hostname); trying again for 2 s", lost.text())
            call_by_name(hosts[1], {"node-0": hosts[0].address})
            jobs = [start(tmp_path, hosts, i, config, master="node-0") for i in (0, 1)]
            assert [job.end() for job in jobs] == [0, 0], jobs[0].text() + jobs[1].text()
        finally:
            for folder in folders:
                shutil.rmtree(folder)
    assert weights_of(tmp_path / "run") == whole


NOISE = "import random, socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 20).sendall(random.Random(3).randbytes(4000))"


def test_a_stranger_from_another_host(tmp_path, whole):
    with two_hosts() as (hosts, _):
        config = write_config(tmp_path, **KEYS)
        jobs = [start(tmp_path, hosts, 0, config)]
        jobs[0].wait_for("the logs of its ranks are in")
        for _ in range(5):
            subprocess.run([*hosts[1].prefix(), sys.executable, "-c", NOISE, hosts[0].address, str(PORT)], check=False, timeout=30, capture_output=True)
        jobs[0].wait_for(f"warning: {hosts[1].address} was refused at port {PORT}: a message: found [0-9]+ bytes, wanted at most 4096")
        jobs.append(start(tmp_path, hosts, 1, config))
        assert [job.end() for job in jobs] == [0, 0]
    assert weights_of(tmp_path / "run") == whole
