"""Our safetensors files and Hugging Face folders beside those of the safetensors package and transformers."""

import json
import pathlib
import random
import subprocess

import numpy
import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from conftest import INGOT

PROBE = pathlib.Path(INGOT).parent / "checkpoint_probe"
DTYPES = {"BOOL": "?", "U8": "u1", "I8": "i1", "I16": "i2", "U16": "u2", "F16": "f2", "I32": "i4", "U32": "u4",
          "F32": "f4", "I64": "i8", "U64": "u8", "F64": "f8"}


def probe(*arguments, text=""):
    command = [str(PROBE), *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)


def random_tensors(chooser, count):
    tensors = {}
    for number in range(count):
        shape = [chooser.randrange(4) for _ in range(chooser.randrange(4))]
        name = chooser.choice(["layer.", "Ä", "a\"b\\", "z\n\t", ""]) + str(number)
        tensors[name] = numpy.full(shape, chooser.randrange(2), DTYPES[chooser.choice(sorted(DTYPES))])
    return tensors


def as_lines(tensors):
    names = {numpy.dtype(code): name for name, code in DTYPES.items()}
    return "".join(json.dumps({"name": name, "dtype": names[value.dtype], "shape": value.shape,
                               "hex": value.tobytes().hex()}) + "\n" for name, value in tensors.items())


@pytest.mark.parametrize("seed", range(6))
def test_files_equal_the_packages_byte_for_byte(tmp_path, seed):
    tensors = random_tensors(random.Random(seed), 20)
    save_file(tensors, tmp_path / "theirs", metadata={"format": "pt"})
    assert probe("write", tmp_path / "ours", text=as_lines(tensors)).returncode == 0
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_a_changed_tensor_is_told_apart(tmp_path):
    save_file({"a": numpy.zeros(3, "f4")}, tmp_path / "theirs", metadata={"format": "pt"})
    probe("write", tmp_path / "ours", text=as_lines({"a": numpy.ones(3, "f4")}))
    assert (tmp_path / "ours").read_bytes() != (tmp_path / "theirs").read_bytes()


def save_llama(folder, tied, dtype, max_shard_size):
    torch.manual_seed(5)
    config = LlamaConfig(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=tied)
    model = LlamaForCausalLM(config).to(dtype)
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    tied_names = {"lm_head.weight"} if tied else set()
    return [name for name in model.state_dict() if name not in tied_names]


def weight_files(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.startswith("model")}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("max_shard_bytes", [5_000_000, 20_000, 7_000])
def test_a_folder_of_transformers_comes_back_byte_for_byte(tmp_path, tied, dtype, max_shard_bytes):
    names = save_llama(tmp_path / "theirs", tied, dtype, max_shard_bytes)
    result = probe("copy", tmp_path / "theirs", tmp_path / "ours", max_shard_bytes, text="\n".join(names) + "\n")
    assert result.returncode == 0, result.stderr
    ours, theirs = weight_files(tmp_path / "ours"), weight_files(tmp_path / "theirs")
    assert (len(theirs) > 1) == (max_shard_bytes < 5_000_000)
    assert ours == theirs


def test_another_shard_size_is_told_apart(tmp_path):
    names = save_llama(tmp_path / "theirs", False, torch.float32, 20_000)
    probe("copy", tmp_path / "theirs", tmp_path / "ours", 7_000, text="\n".join(names) + "\n")
    assert weight_files(tmp_path / "ours") != weight_files(tmp_path / "theirs")


def package_accepts(file):
    try:
        with safe_open(file, "np") as opened:
            return len(list(opened.keys())) > 0
    except (SafetensorError, OSError):
        return False


def test_what_the_package_refuses_is_refused(tmp_path):
    """Random damage: each file is accepted by both or refused by both, by us in one line."""
    chooser = random.Random(9)
    save_file({"a": numpy.zeros((2, 3), "f4"), "b": numpy.zeros(2, "i8")}, tmp_path / "good", metadata={"format": "pt"})
    good = (tmp_path / "good").read_bytes()
    files = [tmp_path / str(number) for number in range(1000)]
    for file in files:
        damaged = bytearray(good)
        damaged[chooser.randrange(len(good))] = chooser.randrange(256)
        file.write_bytes(damaged)
    answers = probe("check", text="".join(f"{file}\n" for file in files)).stdout.splitlines()
    assert len(answers) == len(files)
    differing = [answer for file, answer in zip(files, answers) if (answer == "ok") != package_accepts(file)]
    assert not differing, differing[:3]
    assert 100 < answers.count("ok") < 900
