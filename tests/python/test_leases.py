"""One run at a time in a folder: leases."""

import json
import signal
import subprocess
import threading
import time

import pytest

from conftest import INGOT, ROOT, ingot, write_config

CONFIG, DATA, DEVICE = 2, 3, 4
FOREIGN = {"host": "elsewhere", "machine": "m", "boot": "b", "namespaces": "n", "pid": 12, "started": 3, "id": "0123"}


def start(config):
    return subprocess.Popen([INGOT, "train", str(config)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def endless(folder):
    return write_config(folder, max_steps=100000, save_steps=20)


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def running(tmp_path):
    """A run that has saved a checkpoint, and its folder."""
    process = start(endless(tmp_path))
    wait_for(lambda: list((tmp_path / "run/checkpoints").glob("iter_*")) or process.poll() is not None)
    yield process, tmp_path / "run"
    process.kill()
    process.wait()


def test_two_runs_never_share_a_folder(tmp_path, running):
    process, run = running
    second = ingot("train", tmp_path / "config.yaml", check=False)
    assert second.returncode == CONFIG
    assert f"another run writes it: process {process.pid} on " in second.stderr and f"delete {run / '.lease'}" in second.stderr


def test_a_killed_run_is_taken_over_and_a_stopped_one_leaves_no_lease(tmp_path, running):
    process, run = running
    process.kill()
    process.communicate()
    assert json.loads((run / ".lease").read_text())["pid"] == process.pid
    again = start(tmp_path / "config.yaml")
    wait_for(lambda: json.loads((run / ".lease").read_text())["pid"] == again.pid)
    again.send_signal(signal.SIGTERM)
    said = again.communicate()[1]
    assert again.returncode == 143 and said.count("taken over from process") == 1, said
    assert not list(run.glob(".lease*"))


@pytest.mark.parametrize("by", ["another", "nobody"])
def test_a_run_that_has_lost_its_lease_writes_nothing_more(running, by):
    process, run = running
    if by == "another":
        (run / "other").write_text(json.dumps(FOREIGN | {"heartbeat": "now"}))
        (run / "other").rename(run / ".lease")
    else:
        (run / ".lease").unlink()
    said = process.communicate(timeout=120)[1]
    assert process.returncode == DEVICE and "has lost its lease" in said.splitlines()[-1], said
    assert not list((run / "checkpoints").glob(".staging*"))
    assert (run / ".lease").exists() == (by == "another")
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)


def test_a_run_on_another_host_with_a_heartbeat_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    lease, ended = tmp_path / "run/.lease", threading.Event()

    def beat():
        for number in range(10**6):
            (tmp_path / "beat").write_text(json.dumps(FOREIGN | {"heartbeat": f"beat {number}"}))
            (tmp_path / "beat").rename(lease)
            if ended.wait(0.3):
                return

    owner = threading.Thread(target=beat)
    owner.start()
    wait_for(lease.exists)
    result = ingot("train", write_config(tmp_path), check=False)
    ended.set()
    owner.join()
    assert result.returncode == CONFIG and "process 12 on elsewhere" in result.stderr and "delete" in result.stderr
    assert list((tmp_path / "run").iterdir()) == [lease]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", json.dumps(FOREIGN).encode()[:40], None])
def test_a_damaged_lease_is_named_and_kept(tmp_path, content):
    (tmp_path / "run").mkdir()
    lease = tmp_path / "run/.lease"
    lease.mkdir() if content is None else lease.write_bytes(content)
    result = ingot("train", write_config(tmp_path), check=False)
    assert result.returncode == DATA and f"{lease}: is damaged" in result.stderr and "delete it" in result.stderr
    assert list((tmp_path / "run").iterdir()) == [lease]


def test_exports_to_one_place_take_turns(tmp_path):
    ingot("train", write_config(tmp_path, max_steps=2))
    command = [INGOT, "export", str(tmp_path / "run"), "--to", str(tmp_path / "place/out")]
    exports = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for export in exports:
        said = export.communicate(timeout=300)[1]
        assert export.returncode == 0, said
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["out"]
