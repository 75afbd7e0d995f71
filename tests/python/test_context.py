"""The tokens of a row shared by several processes."""

import pytest
from conftest import ingot, write_config
from test_families import make_folder
from test_ranks import FEW, KINDS
from test_tensor_parallel import rows, trained


@pytest.mark.parametrize("kind", KINDS)
def test_in_reproducible_mode_no_sharing_of_tokens_changes_a_bit(tmp_path, kind):
    key, keys = KINDS[kind]
    make_folder(key, tmp_path / "model")
    keys = {**keys, **rows(tmp_path), "model_name_or_path": str(tmp_path / "model"), "reproducible": True, "logical_context_shards": 2, "logical_tensor_shards": 2}
    found = [trained(tmp_path / f"{ranks}_{context}_{tensor}", ranks, context_parallel_size=context, tensor_model_parallel_size=tensor, **keys)
             for ranks, context, tensor in ((1, 1, 1), (2, 2, 1), (2, 1, 2), (4, 2, 2))]
    assert found[1:] == found[:1] * 3


def test_packed_rows_give_the_losses_of_one_process(tmp_path):
    keys = {**rows(tmp_path), "cutoff_len": 64, "precision": "fp32", "val_size": 0}
    alone = trained(tmp_path / "1", 1, **keys)
    assert trained(tmp_path / "2", 2, context_parallel_size=2, **keys)[1] == pytest.approx(alone[1], abs=2e-4)
    assert trained(tmp_path / "4", 4, context_parallel_size=4, **keys)[1] == pytest.approx(alone[1], abs=2e-4)


@pytest.mark.parametrize("ranks, keys, message", [
    (3, {"context_parallel_size": 2}, "context_parallel_size: found 2, wanted sizes"),
    (2, {"context_parallel_size": 2, "cutoff_len": 34}, "cutoff_len: found 34, wanted a multiple of 4"),
    (1, {"reproducible": True, "logical_context_shards": 3}, "logical_context_shards: found 3, wanted a power of two"),
])
def test_what_cannot_be_shared_is_refused(tmp_path, ranks, keys, message):
    config = write_config(tmp_path, **{**FEW, **keys})
    result = ingot("train", config, *(["--nproc", ranks] if ranks > 1 else []), check=False)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
