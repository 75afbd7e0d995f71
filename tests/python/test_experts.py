"""The experts of a mixture shared by several processes: not a bit of the result depends on it."""

import pytest
from conftest import ingot, write_config
from test_families import make_folder
from test_ranks import FEW
from test_tensor_parallel import rows, trained

LORA = {"finetuning_type": "lora", "lora_rank": 4, "lora_dropout": 0.1, "learning_rate": 1e-3, "export_dtype": "float32"}


@pytest.mark.parametrize("more", [{}, LORA, {"recompute": "full"}, {"recompute": "selective"}], ids=["full", "lora", "recompute", "selective"])
def test_in_reproducible_mode_shared_experts_change_no_bit(tmp_path, more):
    make_folder("mixtral-8x7b", tmp_path / "model")
    keys = {**rows(tmp_path), **more, "model_name_or_path": str(tmp_path / "model"), "router_aux_loss_coef": 0.02, "reproducible": True, "val_size": 7}
    found = [trained(tmp_path / f"{ranks}_{experts}_{pipeline}", ranks, expert_model_parallel_size=experts, pipeline_model_parallel_size=pipeline, **keys)
             for ranks, experts, pipeline in ((1, 1, 1), (2, 2, 1), (4, 4, 1), (4, 2, 2))]
    assert found[1:] == found[:1] * 3


def test_samples_are_made_together_and_told_once(tmp_path):
    make_folder("mixtral-8x7b", tmp_path / "model")
    config = write_config(tmp_path, **{**FEW, **rows(tmp_path), "model_name_or_path": str(tmp_path / "model")}, expert_model_parallel_size=2,
                          sample_prompts=["Once upon a time"], sample_max_new_tokens=8)
    assert ingot("train", config, "--nproc", 2).stdout.count("--- sample after training ---\nOnce upon a time") == 1


@pytest.mark.parametrize("model, ranks, experts, message", [
    ("mixtral-8x7b", 2, 3, "expert_model_parallel_size: found 3, wanted 2"),
    ("mixtral-8x7b", 1, 2, "expert_model_parallel_size: found 2, wanted 1"),
    ("llama2-7b", 2, 2, "expert_model_parallel_size: found 2, wanted 1: the model has no experts"),
])
def test_what_cannot_be_shared_is_refused(tmp_path, model, ranks, experts, message):
    make_folder(model, tmp_path / "model")
    config = write_config(tmp_path, **{**FEW, **rows(tmp_path), "model_name_or_path": str(tmp_path / "model")}, expert_model_parallel_size=experts)
    result = ingot("train", config, *(["--nproc", ranks] if ranks > 1 else []), check=False)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
