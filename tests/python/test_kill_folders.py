"""kill -9 at any instant of a job that writes a folder: the folder is the old one whole or the new one whole, and the next start works.

Half of the instants are moments of the clock; half are system calls that change the disk, at which strace kills the process. Each job
has a few instants in ./test and 200 in ./test --long."""

import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import time

import pytest
from conftest import INGOT, LONG, ROOT, ingot, write_config
from lora_support import make_adapter
from test_folders import base, texts, tiny  # noqa: F401  (base is a fixture)

KILLS = 200 if LONG else 4
CALLS = "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,write,pwrite64,fsync,fdatasync,ftruncate"
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def tree(folder):
    """name -> bytes of every file below; None for a folder that is not there."""
    if not folder.is_dir():
        return None
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def one_of(found, *wanted):
    """Whether a tree is one of these whole."""
    return any(found == one for one in wanted)


class Job:
    """A command whose target has an old content, put back by `reset` before every kill, and a new one, which it makes."""

    def __init__(self, command, reset, target, environment=None):
        self.command, self.reset, self.target = [INGOT, *map(str, command)], reset, pathlib.Path(target)
        self.environment = {**os.environ, **ONE_THREAD, **(environment or {})}
        self.reset()
        self.old = tree(self.target)
        begin = time.monotonic()
        self.run()
        self.seconds = time.monotonic() - begin
        self.new = tree(self.target)
        assert self.new and self.new != self.old
        self.beside = set(os.listdir(self.target.parent))
        self.num_calls = 0

    def run(self):
        result = subprocess.run(self.command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr[-3000:]

    def kill_by_clock(self, chance):
        process = subprocess.Popen(self.command, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=chance.uniform(0.0, self.seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return True
        return False

    def kill_by_call(self, chance, scratch):
        """At a system call of the process that changes the disk; they are counted once."""
        if not self.num_calls:
            self.reset()
            trace = scratch / "trace"
            subprocess.run(["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-o", trace, *self.command], cwd=ROOT, env=self.environment,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            first = trace.read_text().split(maxsplit=1)[0]
            self.num_calls = len(re.findall(f"^{first} ", trace.read_text(), re.MULTILINE))
            self.reset()
        number = chance.randint(1, self.num_calls)
        status = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS}",
                                 "-e", f"inject={CALLS}:signal=KILL:when={number}", *self.command], cwd=ROOT, env=self.environment,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
        return status in (-signal.SIGKILL, 128 + signal.SIGKILL)

    def campaign(self, scratch, whole):
        """Kills, lets `whole` judge what is there, runs again and compares."""
        chance = random.Random(20261127)
        traced = can_trace()
        kills = 0
        for attempt in range(3 * KILLS):
            if kills == KILLS:
                break
            self.reset()
            by_call = traced and attempt % 2
            kills += self.kill_by_call(chance, scratch) if by_call else self.kill_by_clock(chance)
            assert whole(self), f"attempt {attempt}: {sorted(os.listdir(self.target.parent))}"
            self.run()
            assert tree(self.target) == self.new, f"attempt {attempt}"
            assert set(os.listdir(self.target.parent)) == self.beside, f"attempt {attempt}: left over"
        assert kills == KILLS
        print(f"{kills} kills of {' '.join(self.command[1:3])}, {self.num_calls} calls that change the disk, {self.seconds:.2f} s")


def can_trace():
    return shutil.which("strace") is not None and subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False,
                                                                 capture_output=True).returncode == 0


def in_place(job):
    """Under its name, always."""
    return one_of(tree(job.target), job.old, job.new)


def in_place_or_beside(job):
    """On a disk without an exchange of names: under its name, or for an instant under the sibling's."""
    return in_place(job) or (not job.target.exists() and tree(job.target.parent / f".{job.target.name}.ingot-previous") == job.old)


def trained(folder, base, **keys):
    folder.mkdir()
    data = texts(folder / "a.jsonl")
    config = write_config(folder, model_name_or_path=str(base), dataset=str(data), max_steps=2, **keys)
    ingot("train", config, environment=ONE_THREAD)
    return folder / "run"


def put_back(source, target):
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir(parents=True)
    if source:
        shutil.copytree(source, target)


@pytest.mark.parametrize("exchange", ["1", "0"])
def test_an_export_over_an_older_one(tmp_path, base, exchange):
    first, second = trained(tmp_path / "a", base), trained(tmp_path / "b", base, seed=7, learning_rate=1e-2)
    ingot("export", first, "--to", tmp_path / "first")
    target = tmp_path / "place/out"
    job = Job(["export", second, "--to", target], lambda: put_back(tmp_path / "first", target), target,
              {"INGOT_RENAME_EXCHANGE": exchange})
    job.campaign(tmp_path, in_place if exchange == "1" else in_place_or_beside)


def test_a_merge_over_an_older_one(tmp_path, base):
    for seed in (1, 2):
        make_adapter(tmp_path / f"adapter{seed}", base=base, seed=seed)
    target = tmp_path / "place/out"
    ingot("convert", "--from", base, "--adapter", tmp_path / "adapter1", "--to", tmp_path / "first")
    job = Job(["convert", "--from", base, "--adapter", tmp_path / "adapter2", "--to", target],
              lambda: put_back(tmp_path / "first", target), target)
    job.campaign(tmp_path, in_place)


def test_a_start(tmp_path, base):
    """From nothing to the exported model; what a killed start leaves is gone on with."""
    target = tmp_path / "place/run/model"
    data = texts(tmp_path / "a.jsonl")
    (tmp_path / "place").mkdir()
    config = write_config(tmp_path, model_name_or_path=str(base), dataset=str(data), max_steps=2, save_steps=1, output_dir=str(target.parent))
    job = Job(["train", config], lambda: shutil.rmtree(target.parent, ignore_errors=True), target)
    job.campaign(tmp_path, in_place)


def test_an_overwrite_of_another_run(tmp_path, base):
    other = trained(tmp_path / "other", tiny(tmp_path / "deep", seed=5, num_hidden_layers=3))
    target = tmp_path / "place/run/model"
    data = texts(tmp_path / "a.jsonl", word="twice")
    config = write_config(tmp_path, model_name_or_path=str(base), dataset=str(data), max_steps=2, save_steps=1, output_dir=str(target.parent),
                          overwrite_output_dir=True)
    job = Job(["train", config], lambda: put_back(other, target.parent), target)
    job.campaign(tmp_path, lambda job: not job.target.exists() or in_place(job))  # the other run's export is thrown away whole


@pytest.mark.parametrize("repeat", [1, 60])  # one block; four, whose pieces are there between
def test_a_preprocessing(tmp_path, base, repeat):
    target = tmp_path / "place/run/data"
    data = texts(tmp_path / "a.jsonl", count=400)
    data.write_bytes(data.read_bytes() * repeat)
    (tmp_path / "place").mkdir()
    config = write_config(tmp_path, model_name_or_path=str(base), dataset=str(data), output_dir=str(target.parent))
    job = Job(["preprocess", config], lambda: shutil.rmtree(target.parent, ignore_errors=True), target)
    job.campaign(tmp_path, lambda job: True)  # no set of shards is used before its ledger is there: the run after says so


def test_the_judge_sees_a_folder_that_is_half_written(tmp_path):
    """The control: an export that copies file by file into its place."""
    for name, text in [("old", "1"), ("new", "2")]:
        (tmp_path / name).mkdir()
        for file in ("config.json", "model.safetensors"):
            (tmp_path / name / file).write_text(text)
    shutil.copytree(tmp_path / "old", tmp_path / "out")
    shutil.copy(tmp_path / "new/config.json", tmp_path / "out")
    assert not one_of(tree(tmp_path / "out"), tree(tmp_path / "old"), tree(tmp_path / "new"))
    assert one_of(tree(tmp_path / "old"), tree(tmp_path / "old"), tree(tmp_path / "new"))
