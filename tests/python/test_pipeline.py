"""The layers of a model shared by several processes: not a bit of the result depends on it."""

import json
import signal

import pytest
from conftest import ingot, write_config
from test_families import make_folder
from test_ranks import FEW, KINDS, start, wait_for_step, weights_of
from test_tensor_parallel import rows, trained


@pytest.mark.parametrize("kind", KINDS)
def test_in_reproducible_mode_no_pipeline_changes_a_bit(tmp_path, kind):
    key, keys = KINDS[kind]
    make_folder(key, tmp_path / "model")
    keys = {**keys, **rows(tmp_path), "model_name_or_path": str(tmp_path / "model"), "reproducible": True, "logical_tensor_shards": 2}
    found = [trained(tmp_path / f"{ranks}_{pipeline}_{tensor}", ranks, pipeline_model_parallel_size=pipeline, tensor_model_parallel_size=tensor, **keys)
             for ranks, pipeline, tensor in ((1, 1, 1), (2, 2, 1), (4, 2, 2), (4, 2, 1))]
    assert found[1:] == found[:1] * 3


def test_without_it_the_results_agree_within_rounding(tmp_path):
    keys = {"precision": "fp32"}
    alone = trained(tmp_path / "1", 1, **keys)
    for ranks, pipeline in ((2, 2), (4, 2), (4, 4)):
        assert trained(tmp_path / f"{ranks}_{pipeline}", ranks, pipeline_model_parallel_size=pipeline, **keys)[1] == pytest.approx(alone[1], abs=2e-4)


def test_a_rank_may_hold_several_pieces_and_a_stopped_run_goes_on_with_others(tmp_path):
    keys = {"reproducible": True}
    whole = trained(tmp_path / "whole", 1, **keys)
    for pipeline, pieces, steps in ((2, 2, 2), (1, 1, 3), (4, 1, 4)):
        parts = trained(tmp_path / "parts", max(pipeline, 2), pipeline_model_parallel_size=pipeline, virtual_pipeline_model_parallel_size=pieces, **{**keys, "max_steps": steps})
    assert parts[0] == whole[0]


def test_each_stage_writes_its_layers(tmp_path):
    trained(tmp_path / "run", 2, pipeline_model_parallel_size=2, max_steps=2)
    manifest = json.loads((tmp_path / "run/run/checkpoints/iter_0000002/manifest.json").read_text())
    files = {tensor["name"]: {piece["file"] for piece in tensor["pieces"]} for tensor in manifest["tensors"]}
    first, last = files["model.model.layers.0.self_attn.q_proj.weight"], files["model.model.layers.4.self_attn.q_proj.weight"]
    assert len(first) == len(last) == 1 and first != last


def test_a_stop_saves_and_no_micro_batch_is_lost(tmp_path):
    keys = {"reproducible": True, "pipeline_model_parallel_size": 2, "max_steps": 40, "save_steps": 0}
    config = write_config(tmp_path, **{**FEW, **keys})
    process = start(config, "--nproc", 2)
    wait_for_step(tmp_path / "run", 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143
    ingot("train", config, "--nproc", 2)
    whole = trained(tmp_path / "whole", 1, **{**keys, "pipeline_model_parallel_size": 1})
    assert weights_of(tmp_path / "run") == whole[0]


@pytest.mark.parametrize("shared", [{"pipeline_model_parallel_size": 2}, {"zero_stage": 3}], ids=["layers", "weights"])
def test_samples_and_evaluation_are_made_by_all_ranks_and_told_once(tmp_path, shared):
    keys = {**FEW, "sample_prompts": ["Once upon a time"], "sample_max_new_tokens": 8}
    (tmp_path / "alone").mkdir()
    alone = ingot("train", write_config(tmp_path / "alone", **keys)).stdout
    text = ingot("train", write_config(tmp_path, **keys, **shared), "--nproc", 2).stdout
    samples = [part.split("\n")[0] for part in text.split("--- sample before training ---\n")[1:]]
    assert samples == [part.split("\n")[0] for part in alone.split("--- sample before training ---\n")[1:]]
    assert len(samples) == 1


@pytest.mark.parametrize("ranks, keys, message", [
    (3, {"pipeline_model_parallel_size": 2}, "pipeline_model_parallel_size: found 2, wanted sizes (tensor 1 x context 1 x pipeline 2) whose product divides the 3 ranks"),
    (6, {"pipeline_model_parallel_size": 6}, "pipeline_model_parallel_size: found 6, wanted 5: a stage has one of 5 layers or more"),
    (2, {"pipeline_model_parallel_size": 2, "virtual_pipeline_model_parallel_size": 4}, "virtual_pipeline_model_parallel_size: found 4, wanted"),
    (1, {"virtual_pipeline_model_parallel_size": 2}, "virtual_pipeline_model_parallel_size: found 2, wanted 1 with pipeline_model_parallel_size 1"),
])
def test_what_cannot_be_shared_is_refused(tmp_path, ranks, keys, message):
    config = write_config(tmp_path, **{**FEW, **keys})
    result = ingot("train", config, *(["--nproc", ranks] if ranks > 1 else []), check=False)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
