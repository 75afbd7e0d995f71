"""The matrices of a model shared by several processes: the results of one, the same bits whatever the layout, checkpoints for any other."""

import json
import re

import pytest
import test_ranks
from conftest import ingot, write_config
from test_families import make_folder
from test_ranks import FEW, KINDS


def trained(folder, ranks, **keys):
    """sha256 of the exported weights, and the losses, of a run on so many ranks."""
    return test_ranks.trained(folder, ranks, **keys)[:2]


def rows(tmp_path):
    text = tmp_path / "rows.jsonl"
    text.write_text("".join(json.dumps({"text": "Once upon a time there was a dog. " * (1 + i % 5)}) + "\n" for i in range(60)))
    return {"dataset": str(text), "cutoff_len": 16, "val_size": 0}


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_is_trained_by_two_ranks_as_by_one(tmp_path, kind):
    key, keys = KINDS[kind]
    make_folder(key, tmp_path / "model")
    keys = {**keys, **rows(tmp_path), "model_name_or_path": str(tmp_path / "model")}
    keys.pop("lora_dropout", None)  # ranks that share the inputs of a layer drop other elements than one rank does
    alone, shared = trained(tmp_path / "1", 1, **keys), trained(tmp_path / "2", 2, tensor_model_parallel_size=2, **keys)
    assert len(alone[1]) == FEW["max_steps"] and len(set(alone[1].values())) > 1
    assert shared[1] == pytest.approx(alone[1], abs=2e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_in_reproducible_mode_no_layout_changes_a_bit(tmp_path, kind):
    key, keys = KINDS[kind]
    make_folder(key, tmp_path / "model")
    keys = {**keys, **rows(tmp_path), "model_name_or_path": str(tmp_path / "model"), "reproducible": True, "logical_tensor_shards": 2}
    found = [trained(tmp_path / f"{ranks}_{tensor}", ranks, tensor_model_parallel_size=tensor, **keys) for ranks, tensor in ((1, 1), (2, 1), (2, 2), (4, 2))]
    assert found[1:] == found[:1] * 3
    assert trained(tmp_path / "other", 1, **{**keys, "logical_tensor_shards": 1})[0] != found[0][0]


def test_a_stopped_run_goes_on_with_another_layout_and_the_same_bits(tmp_path):
    keys = {"reproducible": True, "logical_tensor_shards": 4}
    whole = trained(tmp_path / "whole", 1, **keys)
    for ranks, tensor, steps in ((4, 2, 2), (2, 1, 3), (4, 4, 4)):
        parts = trained(tmp_path / "parts", ranks, tensor_model_parallel_size=tensor, **{**keys, "max_steps": steps})
    assert parts[0] == whole[0]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_sharded_optimizer_changes_no_bit_and_is_read_by_any_layout(tmp_path, precision):
    keys = {"reproducible": True, "precision": precision}
    whole = trained(tmp_path / "whole", 1, **keys)
    for ranks, stage, steps in ((2, 3, 1), (2, 1, 2), (4, 1, 3), (1, 0, 4)):
        parts = trained(tmp_path / "parts", ranks, zero_stage=stage, **{**keys, "max_steps": steps})
        if ranks == 4:
            manifest = json.loads((tmp_path / "parts/run/checkpoints/iter_0000003/manifest.json").read_text())
            moments = {piece["file"] for tensor in manifest["tensors"] if tensor["name"].startswith("optimizer.first_moment") for piece in tensor["pieces"]}
            assert len(moments) == 4
    assert parts == whole


@pytest.mark.parametrize("keys", [{}, {"tensor_model_parallel_size": 2}, {"context_parallel_size": 2, "recompute": "full"}], ids=["data", "tensor", "context"])
def test_sharded_sums_of_gradients_agree_with_whole_ones(tmp_path, keys):
    ranks = 4 if keys else 2
    whole = trained(tmp_path / "whole", ranks, precision="fp32", zero_stage=1, val_size=7, **keys)
    rows_alone = trained(tmp_path / "rows", ranks, precision="fp32", zero_stage=2, val_size=7, **keys)
    assert rows_alone[1] == pytest.approx(whole[1], abs=2e-5)
    assert trained(tmp_path / "weights", ranks, precision="fp32", zero_stage=3, val_size=7, **keys) == rows_alone
    reproducible = [trained(tmp_path / f"tree_{stage}", ranks, reproducible=True, zero_stage=stage, **keys)[0] for stage in (0, 2, 3)]
    assert reproducible[0] == reproducible[1] == reproducible[2]


def test_each_rank_writes_its_part_of_a_checkpoint_and_any_number_reads_them(tmp_path):
    trained(tmp_path / "run", 2, tensor_model_parallel_size=2, max_steps=2)
    folder = tmp_path / "run/run/checkpoints/iter_0000002"
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {piece["file"] for tensor in manifest["tensors"] if tensor["name"].endswith("q_proj.weight") for piece in tensor["pieces"]}
    assert sorted(files) == ["state-00000-00001-of-00001.safetensors", "state-00001-00001-of-00001.safetensors"]
    assert sorted(file.name for file in folder.iterdir()) == ["manifest.json", *sorted(files)]
    alone = trained(tmp_path / "run", 1, max_steps=4)
    assert len(alone[1]) == 4
    assert alone[1] == pytest.approx(trained(tmp_path / "whole", 1)[1], abs=1e-4)


def test_samples_and_evaluation_are_made_by_all_ranks_and_told_once(tmp_path):
    config = write_config(tmp_path, **FEW, tensor_model_parallel_size=2, sample_prompts=["Once upon a time"], sample_max_new_tokens=8)
    text = ingot("train", config, "--nproc", 2).stdout
    assert text.count("--- sample before training ---\nOnce upon a time") == 1
    assert text.count("--- sample after training ---\nOnce upon a time") == 1
    assert len(re.findall(r"validation loss \d", text)) == 1


@pytest.mark.parametrize("ranks, keys, message", [
    (3, {"tensor_model_parallel_size": 2}, "tensor_model_parallel_size: found 2, wanted a divisor of the 3 ranks"),
    (3, {"tensor_model_parallel_size": 3, "global_batch_size": 8}, "tensor_model_parallel_size: found 3, wanted 2 or 4: 8 heads"),
    (1, {"logical_tensor_shards": 3}, "logical_tensor_shards: found 3, wanted a power of two that is a multiple of tensor_model_parallel_size = 1"),
    (2, {"tensor_model_parallel_size": 2, "reproducible": True, "logical_tensor_shards": 1}, "logical_tensor_shards: found 1, wanted a power of two"),
    (1, {"tensor_model_parallel_size": 3, "reproducible": True}, "tensor_model_parallel_size: found 3, wanted a power of two with reproducible"),
])
def test_what_cannot_be_shared_is_refused(tmp_path, ranks, keys, message):
    config = write_config(tmp_path, **{**FEW, **keys})
    result = ingot("train", config, *(["--nproc", ranks] if ranks > 1 else []), check=False)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
