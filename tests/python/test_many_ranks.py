"""Many processes of a tiny model along all axes at once: the bits of few, and checkpoints that few go on from."""

from conftest import LONG
from test_ranks import trained

RANKS, TENSOR, PIPELINE = (64, 4, 4) if LONG else (16, 2, 4)
KEYS = {"reproducible": True, "logical_tensor_shards": TENSOR, "logical_shards": 4, "global_batch_size": 16, "micro_batch_size": 1, "cutoff_len": 32, "val_size": 8}
MANY = {"tensor_model_parallel_size": TENSOR, "pipeline_model_parallel_size": PIPELINE}
FEW = {"tensor_model_parallel_size": 2, "pipeline_model_parallel_size": 2}  # 8 ranks, dp 2


def test_many_ranks_train_and_save_what_eight_go_on_from(tmp_path):
    whole = trained(tmp_path / "whole", 8, **{**KEYS, **FEW, "max_steps": 6})
    many = trained(tmp_path / "parts", RANKS, **{**KEYS, **MANY, "max_steps": 3})
    assert many[1] == {step: loss for step, loss in whole[1].items() if step <= 3}
    assert trained(tmp_path / "parts", 8, **{**KEYS, **FEW, "max_steps": 6})[0] == whole[0]
