"""pytorch_model.bin: what torch.save writes comes back bit for bit, and hostile files are refused in one line."""

import json
import os
import pickle
import random
import shutil
import struct
import subprocess
import time
import zipfile

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM

from conftest import STORIES, ingot, peak_memory, read_losses, write_config
from test_errors import DATA, error_of
from test_safetensors import PROBE, probe

DTYPES = {torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8", torch.int16: "I16", torch.int32: "I32",
          torch.int64: "I64", torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64"}
FORMS = [True, False]  # the zip form and the legacy form


def save(state, file, zipped, **options):
    torch.save(state, file, _use_new_zipfile_serialization=zipped, **options)


def hex_of(tensor):
    return tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes().hex() if tensor.numel() else ""


def read_by_us(folder):
    result = probe("weights", folder)
    assert result.returncode == 0, result.stderr
    return {line["name"]: line for line in map(json.loads, result.stdout.splitlines())}


def expect_equal(folder, state):
    ours = read_by_us(folder)
    assert ours.keys() == state.keys()
    for name, value in state.items():
        wanted = {"name": name, "dtype": DTYPES[value.dtype], "shape": list(value.shape), "hex": hex_of(value)}
        assert ours[name] == wanted, name


def every_dtype():
    torch.manual_seed(1)
    return {str(dtype): (torch.randn(3, 5) * 50).to(dtype) for dtype in DTYPES}


def views():
    base = torch.arange(360, dtype=torch.float32).view(3, 4, 5, 6)
    return {"base": base, "permuted": base.permute(3, 1, 0, 2), "sliced": base[1:, :, 1:5:2], "column": base[:, 2, 3],
            "expanded": torch.tensor([7.5]).expand(4, 9), "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 4),
            "tied": base, "parameter": torch.nn.Parameter(base[0]), "one": base[2:3, 1:2]}


@pytest.mark.parametrize("zipped", FORMS)
@pytest.mark.parametrize("state", [every_dtype(), views()], ids=["dtypes", "views"])
def test_what_torch_saves_comes_back_bit_for_bit(tmp_path, zipped, state):
    save(state, tmp_path / "pytorch_model.bin", zipped)
    expect_equal(tmp_path, state)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_is_read(tmp_path, protocol):
    save(views(), tmp_path / "pytorch_model.bin", True, pickle_protocol=protocol)
    expect_equal(tmp_path, views())


def test_a_changed_element_is_told_apart(tmp_path):
    save({"a": torch.zeros(3)}, tmp_path / "pytorch_model.bin", True)
    with pytest.raises(AssertionError):
        expect_equal(tmp_path, {"a": torch.tensor([0.0, 1e-30, 0.0])})


@pytest.mark.parametrize("zipped", FORMS)
def test_a_state_dict_of_a_module_is_read(tmp_path, zipped):
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3))
    save(module.state_dict(), tmp_path / "pytorch_model.bin", zipped)  # an OrderedDict with _metadata
    expect_equal(tmp_path, dict(module.state_dict()))


def shard(state, folder, zipped=True):
    """Two shards and their index, as transformers wrote them before safetensors."""
    names = sorted(state)
    parts = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    for file, members in parts.items():
        save({name: state[name] for name in members}, folder / file, zipped)
    weight_map = {name: file for file, members in parts.items() for name in members}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return weight_map


@pytest.mark.parametrize("zipped", FORMS)
def test_shards_with_an_index_are_read(tmp_path, zipped):
    shard(every_dtype(), tmp_path, zipped)
    expect_equal(tmp_path, every_dtype())


def stories_as_bin(folder, zipped=True, sharded=False):
    """stories260K without its safetensors file; returns the folder."""
    copy = folder / "model"
    shutil.copytree(STORIES, copy)
    state = LlamaForCausalLM.from_pretrained(STORIES).state_dict()  # lm_head shares the storage of the embedding
    (copy / "model.safetensors").unlink()
    if sharded:
        shard(state, copy, zipped)
    else:
        save(state, copy / "pytorch_model.bin", zipped)
    return copy


@pytest.mark.parametrize("zipped", FORMS)
def test_a_bin_folder_trains_and_exports_as_its_safetensors_twin(tmp_path, zipped):
    model = stories_as_bin(tmp_path, zipped, sharded=zipped)
    for name, source in (("bin", model), ("twin", STORIES)):
        (tmp_path / name).mkdir()
        ingot("train", write_config(tmp_path / name, model_name_or_path=str(source), max_steps=2))
    assert read_losses(tmp_path / "bin/run") == read_losses(tmp_path / "twin/run")
    ours, twin = tmp_path / "bin/run/model", tmp_path / "twin/run/model"
    assert (ours / "model.safetensors").read_bytes() == (twin / "model.safetensors").read_bytes()
    assert not list(ours.glob("*.bin*"))
    greedy = ["--prompt", "Once upon", "--max-new-tokens", "8", "--temperature", "0"]
    assert ingot("generate", "--model", model, *greedy).stdout == ingot("generate", "--model", STORIES, *greedy).stdout


def test_safetensors_come_first(tmp_path):
    model = stories_as_bin(tmp_path)
    shutil.copy(STORIES / "model.safetensors", model)
    (model / "pytorch_model.bin").write_bytes(b"not read")
    ingot("generate", "--model", model, "--prompt", "Once", "--max-new-tokens", "2")


# Hostile files

class Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.system, (f"touch {self.place}",)


def refused(folder, *parts):
    """`generate` from this folder ends with exit code 3 and one line, which holds `parts`."""
    before = sorted(path.name for path in folder.rglob("*"))
    result = ingot("generate", "--model", folder, "--prompt", "Once", check=False)
    message = error_of(result, DATA)
    assert len(message.strip().splitlines()) == 1, result.stderr
    for part in parts:
        assert part in message, message
    assert sorted(path.name for path in folder.rglob("*")) == before


def rezip(file, change=None, method=zipfile.ZIP_STORED, extra=()):
    """Writes the archive again with Python's zipfile; `change` maps a record's bytes by its last name."""
    with zipfile.ZipFile(file) as old:
        records = [(info.filename, old.read(info)) for info in old.infolist()]
    with zipfile.ZipFile(file, "w", method) as new:
        for name, data in records:
            data = (change or {}).get(name.split("/", 1)[1], lambda same: same)(data)
            new.writestr(name, data)
        for name, data in extra:
            new.writestr(name.format(top=records[0][0].split("/")[0]), data)


def test_the_same_archive_rewritten_is_accepted(tmp_path):
    model = stories_as_bin(tmp_path)
    rezip(model / "pytorch_model.bin")
    ingot("generate", "--model", model, "--prompt", "Once", "--max-new-tokens", "2")


@pytest.mark.parametrize("zipped", FORMS)
def test_a_foreign_function_is_named_and_not_run(tmp_path, zipped):
    model = stories_as_bin(tmp_path)
    save({"a": torch.zeros(2), "b": Harm(tmp_path / "harmed")}, model / "pytorch_model.bin", zipped)
    refused(model, "names posix.system")
    assert not (tmp_path / "harmed").exists()


def test_other_classes_are_named(tmp_path):
    model = stories_as_bin(tmp_path)
    torch.save(torch.nn.Linear(2, 2), model / "pytorch_model.bin")
    refused(model, "names torch.nn.modules.linear.Linear")
    torch.save({"a": torch.zeros(2, dtype=torch.complex64)}, model / "pytorch_model.bin")
    refused(model, "names torch.ComplexFloatStorage")
    torch.save({"state_dict": {"a": torch.zeros(2)}, "epoch": 3}, model / "pytorch_model.bin")
    refused(model, '"state_dict" is no tensor')


def test_a_deflated_archive_is_refused(tmp_path):
    model = stories_as_bin(tmp_path)
    rezip(model / "pytorch_model.bin", method=zipfile.ZIP_DEFLATED)
    refused(model, "is compressed (method 8)")


@pytest.mark.parametrize("name, part", [("../evil", "no plain name"), ("/tmp/evil", "no plain name"),
                                        ("other/evil", "no common folder"), ("{top}/constants.pkl", "TorchScript"),
                                        ("{top}/version", "stands twice"), ("{top}/data/0", "stands twice")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_in_an_archive_are_checked(tmp_path, name, part):
    model = stories_as_bin(tmp_path)
    rezip(model / "pytorch_model.bin", extra=[(name, b"x")])
    refused(model, part)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_archive_is_refused(tmp_path):
    model = stories_as_bin(tmp_path)
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), model / "pytorch_model.bin")
    refused(model, "TorchScript")


@pytest.mark.parametrize("content, part", [
    (b"<!DOCTYPE html><html><body>404</body></html>", "HTML"), (b"", "empty"), (b"\0" * 257 + b"ustar" + b"\0" * 250, "tar"),
    (b"version https://git-lfs.github.com/spec/v1\n", "git lfs"), (b"GGUF\3\0\0\0", "GGUF"),
    (pickle.dumps({"a": 1}, protocol=2), "wrong magic"), (b"PK\3\4" + b"\0" * 100, "without its directory"),
])
def test_files_of_another_kind_are_named(tmp_path, content, part):
    model = stories_as_bin(tmp_path)
    (model / "pytorch_model.bin").write_bytes(content)
    refused(model, part)


def lie(old, new):
    """Replaces the first pickled integer `old` of the pickle by `new`."""
    def pickled(value):
        if 0 <= value < 256:
            return b"K" + struct.pack("<B", value)
        if 0 <= value < 65536:
            return b"M" + struct.pack("<H", value)
        data = value.to_bytes(10, "little", signed=True)
        return b"\x8a" + bytes([len(data)]) + data if abs(value) >= 2 ** 63 else b"\x8a\x08" + data[:8]

    def change(data):
        assert pickled(old) in data
        return data.replace(pickled(old), pickled(new), 1)
    return change


@pytest.mark.parametrize("old, new, part", [
    (7 * 11, 2 ** 40, "bytes"), (7 * 11, -1, "wanted 0 or more"), (7 * 11, 2 ** 63, "no integer of 64 bits"),
    (7, 8, "does not lie in its storage"), (7, -7, "wanted 0 or more"), (7, 2 ** 62, "does not lie in its storage"),
    (7, 2 ** 63 - 1, "does not lie in its storage"), (7, 2 ** 64, "no integer of 64 bits"),
    (13, 2 ** 62, "does not lie in its storage"), (13, -1, "wanted 0 or more"),
])
def test_numbers_of_a_tensor_that_lie_are_refused(tmp_path, old, new, part):
    model = stories_as_bin(tmp_path)
    torch.save({"a": torch.zeros(7 * 13)[:7 * 11].clone().view(7, 11), "b": torch.zeros(5, 13).t()}, model / "pytorch_model.bin")
    rezip(model / "pytorch_model.bin", {"data.pkl": lie(old, new)})
    refused(model, part)


@pytest.mark.parametrize("pickled, part", [
    (b"\x80\x02" + b"]" * 3_000_000 + b".", "more than"), (b"\x80\x02)" + b"\x85" * 5000 + b".", "nested deeper"),
    (b"\x80\x02" + b"(" * 5000 + b".", "open marks"), (b"\x80\x02N" + b"\x94" * 3_000_000 + b".", "memo"),
    (b"\x80\x02X\xff\xff\xff\xff.", "bytes are left"), (b"\x80\x02" + b"N" * 3_000_000, "on the stack"),
    (b"\x80\x02}(" + b"NN" * 5_000_000 + b"u.", "on the stack"),
])
def test_a_pickle_that_grows_without_end_is_refused(tmp_path, pickled, part):
    model = stories_as_bin(tmp_path)
    rezip(model / "pytorch_model.bin", {"data.pkl": lambda _: pickled})
    started = time.monotonic()
    refused(model, part)
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("zipped", FORMS)
def test_truncations_are_refused(tmp_path, zipped):
    file = stories_as_bin(tmp_path, zipped) / "pytorch_model.bin"
    whole = file.read_bytes()
    cuts = [tmp_path / f"{part}.bin" for part in range(20)]
    for part, cut in enumerate(cuts):
        cut.write_bytes(whole[:len(whole) * part // 20])
    answers = probe("check-torch", text="".join(f"{name}\n" for name in [*cuts, file])).stdout.splitlines()
    assert len(answers) == 21 and answers[-1] == "ok"
    assert "ok" not in answers[:-1]
    file.write_bytes(whole[:len(whole) // 2])
    refused(file.parent)


@pytest.mark.parametrize("shard_name, part", [("../pytorch_model.bin", "outside its folder"), ("/etc/passwd", "outside its folder"),
                                              ("missing.bin", "cannot be read")])
def test_an_index_that_names_other_files_is_refused(tmp_path, shard_name, part):
    model = stories_as_bin(tmp_path, sharded=True)
    index = json.loads((model / "pytorch_model.bin.index.json").read_text())
    index["weight_map"]["model.norm.weight"] = shard_name
    (model / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    shutil.copy(next(model.glob("*.bin")), tmp_path / "pytorch_model.bin")
    refused(model, part)


@pytest.mark.parametrize("zipped", FORMS)
def test_random_damage_never_does_more_than_refuse(tmp_path, zipped):
    chooser = random.Random(3)
    save({"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, 2, dtype=torch.bfloat16).t()}, tmp_path / "good", zipped)
    good = (tmp_path / "good").read_bytes()
    files = [tmp_path / f"{number}.bin" for number in range(1500)]
    for file in files:
        damaged = bytearray(good)
        for _ in range(chooser.randrange(1, 4)):
            damaged[chooser.randrange(len(good))] = chooser.randrange(256)
        file.write_bytes(damaged)
    result = probe("check-torch", text="".join(f"{file}\n" for file in [tmp_path / "good", *files]))
    assert result.returncode == 0, result.stderr  # no crash
    answers = result.stdout.splitlines()
    assert len(answers) == 1501 and answers[0] == "ok"  # one line each
    assert 100 < answers.count("ok") < 1450


def test_a_large_folder_passes_through_the_memory_of_one_tensor(tmp_path):
    """Ten tensors of 40 MiB, copied one by one, take far less than the 400 MiB that they are."""
    state = {f"t{number}": torch.full((10, 1024, 1024), float(number)) for number in range(10)}
    torch.save(state, tmp_path / "big.bin")
    answer, mebibytes = peak_memory(PROBE, "check-torch", text=f"{tmp_path / 'big.bin'}\n")
    assert answer.strip() == "ok"
    assert mebibytes < 300


@pytest.mark.parametrize("tuning", ["full", "lora"])
@pytest.mark.parametrize("stated", [None, "float16", "bfloat16"])
def test_an_export_has_the_types_of_the_file_and_not_of_the_config(tmp_path, stated, tuning):
    model = tmp_path / "model"
    shutil.copytree(STORIES, model)
    file, = model.glob("*.safetensors")
    state = {name: value.float() * 1.001 if "norm" in name else value.bfloat16() for name, value in load_file(file).items()}
    file.unlink()
    torch.save({**state, "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}, model / "pytorch_model.bin")
    config = json.loads((model / "config.json").read_text())
    config.pop("dtype", None), config.pop("torch_dtype", None)
    (model / "config.json").write_text(json.dumps({**config, **({"torch_dtype": stated} if stated else {})}))
    ingot("train", write_config(tmp_path, model_name_or_path=str(model), max_steps=1, learning_rate=0, finetuning_type=tuning))
    found = load_file(tmp_path / "run/model/model.safetensors")
    assert state.keys() <= found.keys() and all(found[name].dtype == value.dtype and found[name].equal(value) for name, value in state.items())
