"""A checkpoint of an earlier version goes on with the bits of a run that was never interrupted."""

import hashlib
import json
import shutil

import pytest

from conftest import ingot, read_losses, write_config

PRECISIONS = pytest.mark.parametrize("precision", ["fp32", "bf16"])


def make_version_one(folder):
    """Rewrites a manifest as version 1 had it: tensors whole, a sha256 of each file. The files of tensors are as they were then."""
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["version"] == 2 and all(len(tensor["pieces"]) == 1 for tensor in manifest["tensors"])
    tensors = [{"name": one["name"], "dtype": one["dtype"], "shape": one["shape"], "file": one["pieces"][0]["file"]} for one in manifest["tensors"]]
    files = {name: {"sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(), "size": record["size"]} for name, record in manifest["files"].items()}
    old = {"format": manifest["format"], "version": 1, "step": manifest["step"], "state": manifest["state"], "tensors": tensors, "files": files}
    text = json.dumps(old, separators=(",", ":"), ensure_ascii=False)
    old["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(old, indent=1, ensure_ascii=False) + "\n")


def weights_of(run):
    return (run / "model/model.safetensors").read_bytes()


@PRECISIONS
def test_a_checkpoint_of_version_1_goes_on_with_the_same_bits(tmp_path, precision):
    config = write_config(tmp_path, precision=precision, save_total_limit=0)
    ingot("train", config)
    run = tmp_path / "run"
    weights, losses = weights_of(run), read_losses(run)
    for name in ("checkpoints/iter_0000004", "checkpoints/iter_0000006", "model"):
        shutil.rmtree(run / name)
    make_version_one(run / "checkpoints/iter_0000002")
    went_on = ingot("train", config)
    assert "resuming after step 2" in went_on.stderr and "damaged" not in went_on.stderr
    assert weights_of(run) == weights and read_losses(run) == losses
    assert {json.loads(file.read_text())["version"] for file in (run / "checkpoints").glob("*/manifest.json")} == {1, 2}


def test_a_checkpoint_of_version_1_is_exported_and_removed_as_ones_own(tmp_path):
    config = write_config(tmp_path, max_steps=2)
    ingot("train", config)
    weights = weights_of(tmp_path / "run")
    make_version_one(tmp_path / "run/checkpoints/iter_0000002")
    ingot("export", tmp_path / "run", "--to", tmp_path / "out")
    assert (tmp_path / "out/model.safetensors").read_bytes() == weights
    ingot("train", config, "--set", "max_steps=4", "--set", "save_total_limit=1")
    assert [folder.name for folder in (tmp_path / "run/checkpoints").glob("iter_*")] == ["iter_0000004"]
