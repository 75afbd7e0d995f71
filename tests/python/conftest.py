"""What the Python tests share: the program, folders of real files, and small model folders."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
INGOT = os.environ.get("INGOT_BIN", str(ROOT / "build/release/bin/ingot"))
STORIES = ROOT / "examples/stories260k"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers share the cores; tests of threads say how many they want
LONG = os.environ.get("INGOT_LONG") == "1"  # ./test --long
SHAKESPEARE = ROOT / "examples/data/shakespeare.parquet"


# Files that take half a minute and more, measured: beside others they come first, or one worker is left alone with them.
DEAREST = ["tokenizers", "families", "agent_chats", "output_dirs", "training_parity", "lora_runs", "kill", "elastic", "hosts", "data_files", "own_files", "lora_ends",
           "meeting", "tensor_parallel", "data", "lora", "kill_folders", "lora_layers", "ranks", "kill_ranks", "plan", "preprocess_ranks", "chat", "sft", "generation_config"]


def pytest_collection_modifyitems(items):
    ranks = {f"test_{name}.py": rank for rank, name in enumerate(DEAREST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(DEAREST)))


def ingot(*arguments, text="", timeout=600, check=True, environment=None):
    """Runs the program; with check, a status other than 0 fails the test with what it said. Tests compare numbers of float32,
    which the program would choose only where the CPU has no bfloat16 products."""
    if arguments[:1] in (("generate",), ("eval",)) and "--precision" not in arguments:
        arguments = (*arguments, "--precision", "fp32")
    result = subprocess.run([INGOT, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=timeout,
                            cwd=ROOT, env={**os.environ, **(environment or {})}, check=False)
    if check and result.returncode != 0:
        pytest.fail(f"ingot {' '.join(map(str, arguments))} ended with {result.returncode}:\n{result.stderr[-3000:]}")
    return result


def peak_memory(*command, text=""):
    """What a command that must end well prints, and its most resident memory in MiB. A small interpreter stands between, for a
    child counts the memory of the process that forked it."""
    watch = ("import resource, subprocess, sys; "
             "result = subprocess.run(sys.argv[1:], input=sys.stdin.read(), text=True, check=True, stdout=subprocess.PIPE); "
             "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, result.stdout, end='')")
    result = subprocess.run([sys.executable, "-c", watch, *map(str, command)], input=text, cwd=ROOT, capture_output=True,
                            text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    mebibytes, printed = result.stdout.split(" ", 1)
    return printed, float(mebibytes)


def write_config(folder, **keys):
    """A training configuration on stories260K, with `keys` on top; returns the YAML file."""
    config = {
        "model_name_or_path": str(STORIES), "stage": "pt", "finetuning_type": "full", "dataset": str(SHAKESPEARE),
        "cutoff_len": 64, "micro_batch_size": 4, "global_batch_size": 4, "max_steps": 6, "learning_rate": 1e-3,
        "lr_scheduler_type": "constant", "precision": "fp32", "save_steps": 2, "output_dir": str(folder / "run"),
    }
    config.update(keys)
    file = folder / "config.yaml"
    file.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items()))
    return file


def read_losses(run):
    """step -> loss of a run's metrics.jsonl."""
    lines = [json.loads(line) for line in (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if line.get("kind", "step") == "step" and "grad_norm" in line}


@pytest.fixture(scope="session")
def shared():
    """The folder of real files beside the checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no folder shared/ beside the checkout: real files are not here")
    return folder


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory):
    """SmolLM2-135M-Instruct as a Hugging Face folder, converted by Ingot."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "ingot"
    gguf = cache / "models/SmolLM2-135M-Instruct.Q4_1.gguf"
    if not gguf.exists():
        pytest.skip("SmolLM2 is not in the cache: scripts/fetch_smollm2 could not get it")
    folder = tmp_path_factory.mktemp("smollm2") / "model"
    ingot("convert", "--from", gguf, "--to", folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
