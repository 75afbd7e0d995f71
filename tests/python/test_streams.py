"""Standard streams that are closed, full or read by nobody, limits of the system, and signals outside training."""

import os
import pathlib
import signal
import subprocess
import time

import pytest
from conftest import INGOT, ROOT, STORIES, ingot, read_losses, write_config


def shell(command, timeout=120, **environment):
    return subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False,
                          env={**os.environ, "I": str(INGOT), "M": str(STORIES), **environment})


@pytest.mark.parametrize("lost", ["2>/dev/full", "2>&-", ">/dev/full", ">&-", ">&- 2>&- <&-"])
def test_a_run_whose_lines_are_lost_is_a_run(tmp_path, lost):
    config = write_config(tmp_path, max_steps=3)
    result = shell(f'"$I" train {config} {lost}')
    assert result.returncode == 0, result.stderr
    assert len(read_losses(tmp_path / "run")) == 3 and (tmp_path / "run/model/model.safetensors").exists()
    assert not (tmp_path / "run/.lease").exists()


COMMANDS = ['echo hi | "$I" tokenize --model "$M"', '"$I" models', '"$I" --version', '"$I" train --help', '"$I" inspect --raw examples/data/general.jsonl',
            '"$I" generate --model "$M" --prompt Once --max-new-tokens 3', '"$I" eval --model "$M" --data examples/data/general.jsonl --template default --json']


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("lost", [">/dev/full", ">&-"])
def test_a_result_that_cannot_be_written_is_a_failure(command, lost):
    result = shell(f"{command} {lost}")
    assert result.returncode == 4 and "standard output: cannot be written" in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_an_error_that_cannot_be_told_has_its_code(command):
    assert shell(f"{command} 2>/dev/full").returncode == 0
    assert shell('"$I" generate --model /no/such --prompt x 2>/dev/full').returncode == 2


def test_nobody_reads_on(tmp_path):
    """A reader that leaves ends the work soon, not when all input is read."""
    (tmp_path / "lines").write_text("Once upon a time there was a king.\n" * 400_000)
    begin = time.monotonic()
    result = shell(f'"$I" tokenize --model "$M" < {tmp_path}/lines | head -1')
    assert result.stdout.startswith("[") and time.monotonic() - begin < 10


def test_a_file_beyond_the_limit_is_a_failed_write(tmp_path):
    result = shell(f'ulimit -f 100; "$I" train {write_config(tmp_path, max_steps=2)}')
    assert result.returncode == 4 and "File too large" in result.stderr and str(tmp_path) in result.stderr


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", [["tokenize", "--model", STORIES], ["generate", "--model", STORIES, "--chat", "--template", "default"]])
def test_one_signal_ends_what_waits_for_input(command, sent):
    process = subprocess.Popen([INGOT, *map(str, command)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        time.sleep(1.5)
        process.send_signal(sent)
        assert process.wait(timeout=10) == 143
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_generation_that_is_cut_short_says_so(sent):
    process = subprocess.Popen([INGOT, "generate", "--model", str(STORIES), "--prompt", "Once upon", "--max-new-tokens", "100000", "--ignore-eos"], cwd=ROOT,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    first = process.stdout.read(12)
    process.send_signal(sent)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 143 and (first + rest).decode().startswith("Once upon")


@pytest.mark.parametrize("key, value, wanted", [("cutoff_len", 1_000_000_000, "1 to 16777216"), ("cutoff_len", 2 ** 63 - 1, "1 to 16777216"),
                                                ("preprocessing_num_workers", 1_000_000_000, "0 to 1024"), ("micro_batch_size", 10 ** 12, "1 to 16777216"),
                                                ("micro_batch_size", 2 ** 24, "rows of cutoff_len = 1024 tokens")])
def test_hostile_sizes_are_refused_by_name(tmp_path, key, value, wanted):
    keys = {"cutoff_len": 1024, key: value}
    if key == "micro_batch_size":
        keys["global_batch_size"] = value
    config = write_config(tmp_path, **keys)
    for verb in ("train", "preprocess"):
        result = ingot(verb, config, "--check", check=False)
        assert result.returncode == 2 and f"{key}: found {value}" in result.stderr and wanted in result.stderr
    assert not pathlib.Path(tmp_path / "run").exists()


def test_memory_that_runs_out_is_exit_4_and_no_crash(tmp_path):
    """Under a limit of address space at which LibTorch loads and training does not fit; libraries' exit handlers do not run."""
    config = write_config(tmp_path, max_steps=2)
    codes = {kib: shell(f'ulimit -v {kib}; "$I" train {config}', OMP_NUM_THREADS="1").returncode for kib in (460_000, 480_000)}
    assert not {-11, 139, 70} & set(codes.values()), codes


def test_a_run_says_what_its_threads_do_and_goes_on(tmp_path):
    config = write_config(tmp_path, max_steps=400)
    process = subprocess.Popen([INGOT, "train", config], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if (tmp_path / "run/metrics.jsonl").exists() and len((tmp_path / "run/metrics.jsonl").read_text().splitlines()) > 5:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0 and len(read_losses(tmp_path / "run")) == 400
    stacks = said.split("stack of thread ")[1:]
    answered = [stack for stack in stacks if "does not answer" not in stack]  # a thread may block signals
    assert len(answered) >= 2 and all(f") of {INGOT}-engine:\n" in stack for stack in answered)
    assert any("libtorch_cpu.so" in stack for stack in answered)


def test_a_fault_leaves_its_stack(tmp_path):
    process = subprocess.Popen([INGOT, "train", write_config(tmp_path, max_steps=100000)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if (tmp_path / "run/metrics.jsonl").exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGSEGV)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == -signal.SIGSEGV
    assert "error: a fault of this program, signal 11; stack of thread " in said and "ingot-engine" in said
