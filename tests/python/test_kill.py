"""A run killed at any instant ends, resumed, with the bits of a run that was never interrupted."""

import hashlib
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

from conftest import INGOT, LONG, ROOT, ingot, read_losses, write_config

NUM_KILLS = 30 if LONG else 8
STEPS = 40


def start(config):
    return subprocess.Popen([INGOT, "train", str(config)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def weights_hash(run):
    return hashlib.sha256((pathlib.Path(run) / "model/model.safetensors").read_bytes()).hexdigest()


def config_for(folder, **keys):
    folder.mkdir()
    return write_config(folder, max_steps=STEPS, save_steps=1, lr_scheduler_type="cosine", **keys)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The weights' hash, the losses and the seconds of a run that was left alone."""
    folder = tmp_path_factory.mktemp("kill") / "whole"
    begin = time.monotonic()
    ingot("train", config_for(folder))
    return weights_hash(folder / "run"), read_losses(folder / "run"), time.monotonic() - begin


def test_resumed_runs_end_with_the_same_bits_after_kills(tmp_path, uninterrupted):
    wanted_hash, wanted_losses, seconds = uninterrupted
    chance = random.Random(20261122)
    kills = 0
    for attempt in range(2 * NUM_KILLS):  # a run that ended before its instant came was not killed: there are spare ones
        if kills == NUM_KILLS:
            break
        config = config_for(tmp_path / f"run{attempt}")
        process = start(config)
        try:
            process.wait(timeout=chance.uniform(0.1, 0.9 * seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        process.communicate()
        ingot("train", config)
        assert weights_hash(tmp_path / f"run{attempt}/run") == wanted_hash
        assert read_losses(tmp_path / f"run{attempt}/run") == wanted_losses
    assert kills == NUM_KILLS


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def kill_inside_a_save(config, run, chance):
    """Kills when a staging folder stands, which is there only while a checkpoint is written; True when it was."""
    process = start(config)
    checkpoints = run / "checkpoints"
    after = chance.randrange(2, 20)
    while process.poll() is None:
        names = os.listdir(checkpoints) if checkpoints.is_dir() else []
        if any(name.startswith(".staging") for name in names):
            after -= 1
            if after <= 0:
                process.kill()
                break
    process.communicate()
    return process.returncode == -signal.SIGKILL


def test_a_kill_inside_a_save_loses_nothing(tmp_path, uninterrupted):
    chance = random.Random(7)
    inside = 0
    for attempt in range(5):
        config = config_for(tmp_path / f"run{attempt}")
        run = tmp_path / f"run{attempt}/run"
        inside += kill_inside_a_save(config, run, chance)
        ingot("train", config)
        assert weights_hash(run) == uninterrupted[0]
        assert not [name for name in os.listdir(run / "checkpoints") if name.startswith(".staging")]
    assert inside >= 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_exits_143(tmp_path, uninterrupted, number):
    config = config_for(tmp_path / "signalled")
    run = tmp_path / "signalled/run"
    process = start(config)
    wait_for(lambda: (run / "metrics.jsonl").exists() and len(read_losses(run)) >= 3)
    process.send_signal(number)
    assert process.wait(timeout=60) == 143
    process.stderr.close()
    ingot("train", config)
    assert weights_hash(run) == uninterrupted[0]


def test_a_flipped_byte_falls_back_to_the_checkpoint_before(tmp_path, uninterrupted):
    config = write_config(tmp_path, max_steps=STEPS, save_steps=1, lr_scheduler_type="cosine", save_total_limit=3)
    process = start(config)
    run = tmp_path / "run"
    wait_for(lambda: (run / "metrics.jsonl").exists() and len(read_losses(run)) >= 8)
    process.kill()
    process.communicate()
    # A kill between a checkpoint's renaming and the tracker's leaves a folder that is not the newest yet.
    step = int((run / "checkpoints/latest_checkpointed_iteration.txt").read_text())
    newest = run / f"checkpoints/iter_{step:07d}"
    file = next(newest.glob("*.safetensors"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x10
    file.write_bytes(data)
    message = ingot("train", config).stderr
    assert newest.name in message and file.name in message and "digest of tensor" in message
    assert weights_hash(run) == uninterrupted[0]
