"""A damaged file of our own is one line that names it, never a bug report: what a run keeps, flipped, cut, emptied, gone or a folder.

./test tries each file once, ./test --long each in some thirty ways.
"""

import json
import random
import shutil
import zlib

import pytest

from conftest import LONG, ingot, write_config

RUNS = {
    "full": {"save_steps": 2, "max_steps": 4},
    "lora": {"save_steps": 2, "max_steps": 4, "finetuning_type": "lora", "stage": "sft", "template": "default"},
}


def empty(data, r):
    return b""


def half(data, r):
    return data[:len(data) // 2]


def one_byte_short(data, r):
    return data[:-1]


def one_byte_long(data, r):
    return data + b"x"


def flip(data, r):
    place = r.randrange(min(len(data), r.choice([64, 4096, 1 << 40])))
    return data[:place] + bytes([data[place] ^ 1 << r.randrange(8)]) + data[place + 1:]


def write_over(data, r):
    place = r.randrange(len(data))
    return data[:place] + r.choice([b"\xff" * 8, bytes(8), b"99999999", b"-1,null,"]) + data[place + 8:]


def gone(data, r):
    return None


def a_folder(data, r):
    return ...


DAMAGES = [empty, half, one_byte_short, one_byte_long, gone, a_folder] + 4 * [flip, write_over] * (3 if LONG else 1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each kind, stopped half-way."""
    folder = tmp_path_factory.mktemp("runs")
    texts, chats = folder / "texts.jsonl", folder / "chats.jsonl"
    texts.write_text("".join(json.dumps({"text": "Once upon a time there was a king. " * 20}) + "\n" for _ in range(40)))
    chats.write_text("".join(json.dumps({"messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": f"a {i}", "weight": 0.5}]})
                             + "\n" for i in range(40)))
    keys = {kind: {**settings, "dataset": str(chats if "template" in settings else texts)} for kind, settings in RUNS.items()}
    for kind in RUNS:
        (folder / kind).mkdir()
        ingot("train", write_config(folder / kind, **keys[kind]))
    return folder, keys


def try_damage(runs, kind, name, damage, seed, tmp_path):
    """Damages a file of a copy of the run; what each job that would read it then says."""
    folder, keys = runs
    r = random.Random(seed)
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder / kind, copy, symlinks=True)
    file = copy / name
    data = damage(file.read_bytes(), r)
    file.unlink()
    if data is ...:
        file.mkdir()
    elif data is not None:
        file.write_bytes(data)
    config = write_config(copy, **{**keys[kind], "max_steps": 6})
    jobs = [("export", copy / "run", "--to", tmp_path / f"export{seed}"), ("train", config)]
    if "data" in name.parts:
        jobs[0] = ("inspect", config)
    for job in jobs:
        result = ingot(*job, check=False, environment={"OMP_NUM_THREADS": "1"})
        errors = [line for line in result.stderr.splitlines() if "error:" in line]
        told = f"{name}: {damage.__name__} {seed}: {job[0]} ended with {result.returncode}: {result.stderr[-500:]}"
        if result.returncode != 0:
            assert result.returncode in ((2, 3, 4) if damage is a_folder else (2, 3)), told
            assert len(errors) == 1 and any(part in errors[0] for part in (name.name, name.parent.name)), told


@pytest.mark.parametrize("kind", RUNS)
def test_a_damaged_file_of_a_run_is_named(runs, kind, tmp_path):
    files = sorted(path.relative_to(runs[0] / kind) for path in (runs[0] / kind / "run").rglob("*") if path.is_file())
    files = [name for name in files if name.parts[1] not in ("model", "adapter")]
    assert len(files) > 15
    for name in files:
        seed = zlib.crc32(str(name).encode())
        for number, damage in enumerate(DAMAGES if LONG else random.Random(seed).sample(DAMAGES, 1)):
            if (runs[0] / kind / name).stat().st_size > 0 or damage in (gone, a_folder, one_byte_long):
                try_damage(runs, kind, name, damage, seed + number, tmp_path)


@pytest.mark.parametrize("kind, name", [("full", "source_layout/weight_layout.json"), ("full", "source/config.json"), ("lora", "source/config.json"),
                                        ("lora", "source/tokenizer.model"), ("full", "source_layout/digests.json"), ("full", "source/tokenizer_config.json")])
@pytest.mark.parametrize("damage", [flip, write_over, gone])
def test_what_an_export_is_made_of_is_never_exported_damaged(runs, kind, name, damage, tmp_path):
    """A flipped letter in a tensor's name, a digit of a config, a byte of a tokenizer: found before an hour is trained on it."""
    folder, keys = runs
    shutil.copytree(folder / kind, tmp_path / "copy")
    file = tmp_path / "copy/run" / name
    data = damage(file.read_bytes(), random.Random(name))
    file.unlink()
    if data is not None:
        file.write_bytes(data)
    for job in (("export", tmp_path / "copy/run", "--to", tmp_path / "export"), ("train", write_config(tmp_path / "copy", **{**keys[kind], "max_steps": 6}))):
        result = ingot(*job, check=False)
        assert result.returncode == 3 and file.name in result.stderr and not (tmp_path / "export").exists(), (job[0], result.stderr)
