"""Where the ranks and hosts of a job meet: strangers are refused and change nothing, who is missing is named, all must be of one version and configuration."""

import random
import socket

import pytest
from conftest import ingot, write_config
from launch_support import TOKEN, Said, connect, greet, pack, receive
from test_ranks import FEW, free_port, trained, weights_of

KEYS = {**FEW, "reproducible": True}


def rank_variables(rank, port, host="127.0.0.1", token=TOKEN):
    return {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": host, "MASTER_PORT": str(port), "INGOT_TOKEN": token}


def node(folder, config, rank, port, *flags, token=TOKEN, nodes="2", host="127.0.0.1"):
    flags = [*flags, "--nproc", "1", "--nnodes", nodes, "--master-addr", host, "--master-port", port]
    return Said(folder / f"node_{rank}.txt", "launch", *flags, *(["--node-rank", rank] if rank is not None else []), "--", "train", config,
                environment={"INGOT_TOKEN": token})


def strangers(port):
    """Who comes to the port and what it sends, and what the meeting says of it."""
    rng = random.Random(1)
    for sent, said in [(rng.randbytes(5000), "a message: found"), (b"GET / HTTP/1.1\r\n\r\n", "a message: found"), (b"", "it left without a word of this program"),
                       (pack("join", "0", "1", "2", ""), "it does not speak as this program does"), (pack(*["x"] * 400), "it does not speak as this program does"),
                       (b"\x04\0\0\0\xff\xff\xff\xff", "a text goes beyond its end")]:
        with connect("127.0.0.1", port) as connection:
            receive(connection)
            try:
                connection.sendall(sent)
            except OSError:
                pass  # it was sent away before it had said all
        yield said
    with connect("127.0.0.1", port) as connection:
        assert greet(connection, token="a guess") == ["refused", "without the token of this job"]
    yield "without the token of this job"


def test_strangers_at_the_port_change_nothing(tmp_path):
    whole = trained(tmp_path / "whole", 1, **KEYS)
    (tmp_path / "job").mkdir()
    config = write_config(tmp_path / "job", **KEYS)
    port = free_port()
    first = node(tmp_path, config, 0, port)
    reasons = list(strangers(port))
    idle = [connect("127.0.0.1", port) for _ in range(100)]  # more than are let wait
    second = node(tmp_path, config, 1, port)
    first.wait_for("starting ranks 0 to 0 of 2")
    late = list(strangers(port))
    assert (first.end(), second.end()) == (0, 0), first.text() + second.text()
    for connection in idle:
        connection.close()
    assert weights_of(tmp_path / "job/run") == whole[0]
    assert reasons == late
    for reason in reasons:
        assert f"warning: 127.0.0.1 was refused at port {port}: " in first.text() and reason in first.text()
    assert first.text().count("without the token of this job") == 1  # once for an address


def test_a_rank_without_the_token_is_refused_and_the_job_goes_on(tmp_path):
    config, port = write_config(tmp_path, **FEW), free_port()
    first = Said(tmp_path / "0.txt", "train", config, environment=rank_variables(0, port))
    first.wait_for("rank 0 of 2")
    wrong = Said(tmp_path / "wrong.txt", "train", config, environment=rank_variables(1, port, token="another"))
    assert wrong.end() == 4
    assert f"127.0.0.1:{port}: refused: without the token of this job" in wrong.text()
    first.wait_for(r"waiting for rank 1 of 2; refused: 127\.0\.0\.1: without the token of this job")
    right = Said(tmp_path / "1.txt", "train", config, environment=rank_variables(1, port))
    assert (first.end(), right.end()) == (0, 0), first.text() + right.text()


def test_a_host_that_does_not_know_the_token_is_not_believed(tmp_path):
    """The meeting has to prove itself, too."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        rank = Said(tmp_path / "1.txt", "train", write_config(tmp_path, **FEW), environment=rank_variables(1, port))
        connection, _ = server.accept()
        with connection:
            connection.sendall(pack("ingot meeting 1", "nonce"))
            assert receive(connection)[0] == "hello"
            connection.sendall(pack("welcome", "0" * 64))
            assert rank.end() == 4
    assert "it has not proven that it belongs to this job" in rank.text()


def test_another_version_of_the_program_is_named_on_both_sides(tmp_path):
    port = free_port()
    first = Said(tmp_path / "0.txt", "train", write_config(tmp_path, **FEW), environment=rank_variables(0, port))
    with connect("127.0.0.1", port) as connection:
        answer = greet(connection, version="9.9.9")
    assert answer[0] == "refused" and answer[1].startswith("another version of the program: found 9.9.9, wanted ")
    first.wait_for(r"waiting for rank 1 of 2; refused: 127\.0\.0\.1: another version of the program: found 9\.9\.9")
    first.kill()


def test_the_keys_in_which_two_configurations_differ_are_named(tmp_path):
    port = free_port()
    config = write_config(tmp_path, **FEW)
    ranks = [Said(tmp_path / f"{rank}.txt", "train", config, *(["--set", "learning_rate=0.5", "--set", "weight_decay=0.1"] if rank else []),
                  environment=rank_variables(rank, port)) for rank in (0, 1)]
    for rank in ranks:
        assert rank.end() == 2
        assert "rank 1 (127.0.0.1) has another configuration than rank 0: learning_rate: found 0.5, rank 0 has 0.001; weight_decay: found 0.1, rank 0 has 0" in rank.text()
    assert not (tmp_path / "run").exists()


def test_a_node_that_does_not_come_is_named_when_the_patience_ends(tmp_path):
    port = free_port()
    first = node(tmp_path, write_config(tmp_path, **FEW), 0, port, "--patience", "7", nodes="3")
    assert first.end(30) == 4
    assert "waiting for host 1, 2 of 3" in first.text()
    assert "error: waited 7 s for host 1, 2 of 3" in first.text()


@pytest.mark.parametrize("host, said", [("127.0.0.1", "127.0.0.1:{}: Connection refused"), ("no-such-host.invalid", "no-such-host.invalid: ")])
def test_a_node_whose_master_is_not_there_says_why_it_waits(tmp_path, host, said):
    port = free_port()
    second = node(tmp_path, write_config(tmp_path, **FEW), 1, port, "--patience", "2", host=host)
    assert second.end(30) == 4
    assert said.format(port) in second.text() and "; trying again for 2 s" in second.text() and "; tried for 2 s" in second.text()


def test_two_nodes_of_one_place_are_not_taken_for_each_other(tmp_path):
    config, port = write_config(tmp_path, **FEW), free_port()
    first = node(tmp_path, config, 0, port, nodes="3")
    second = node(tmp_path, config, 1, port, nodes="3")
    first.wait_for("waiting for host 2 of 3")
    (tmp_path / "again").mkdir()
    again = node(tmp_path / "again", config, 1, port, nodes="3")
    assert again.end() == 4
    assert "refused: --node-rank: found 1, which is " in again.text()
    first.process.terminate()
    assert first.end() == 143
    assert second.end() == 4 and "the other side has closed the connection" in second.text()


def test_several_nodes_without_a_token_are_warned(tmp_path):
    result = ingot("launch", "--nnodes", 2, "--node-rank", 0, "--master-addr", "127.0.0.1", "--master-port", free_port(), "--patience", 0, "--", "train",
                   write_config(tmp_path, **FEW), check=False)
    assert result.returncode == 4
    assert "warning: INGOT_TOKEN is not set: whoever reaches the port where the ranks meet can take part" in result.stderr


def listening_addresses():
    """Of TCP on this machine: (address, port)."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in open(f"/proc/net/{table}", encoding="ascii").read().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                address, port = fields[1].split(":")
                found.add((socket.inet_ntoa(bytes.fromhex(address)[::-1]) if table == "tcp" else "IPv6 " + address, int(port, 16)))
    return found


def test_ports_are_open_at_the_named_address_alone_and_noise_at_them_changes_nothing(tmp_path):
    whole = trained(tmp_path / "whole", 1, **{**KEYS, "max_steps": 40})
    before = listening_addresses()
    (tmp_path / "job").mkdir()
    config, port = write_config(tmp_path / "job", **{**KEYS, "max_steps": 40}), free_port()
    nodes = [node(tmp_path, config, rank, port, host="127.0.0.2") for rank in (0, 1)]
    nodes[0].wait_for("iteration +2/")
    opened = listening_addresses() - before
    assert ("127.0.0.2", port) in opened and len(opened) >= 3  # and those of Gloo's connections
    assert not [address for address, _ in opened if not address.startswith("127.")], opened
    for address, number in opened:
        with socket.create_connection((address, number), timeout=20) as connection:
            connection.sendall(random.Random(2).randbytes(3000))
    assert [one.end() for one in nodes] == [0, 0]
    assert weights_of(tmp_path / "job/run") == whole[0]
