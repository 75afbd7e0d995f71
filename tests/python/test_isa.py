"""INGOT_ISA chooses the instruction set of kernels and libraries; every set that the machine has trains the same within rounding."""

import re

import pytest

from conftest import ingot, read_losses, write_config

NAMES = ["baseline", "avx2", "avx512", "avx512_bf16", "avx512_amx"]


def available():
    line = re.search(r"instruction sets of this CPU: (.*) \(", ingot("--version", "--verbose").stdout).group(1)
    return line.split(", ")


def test_version_verbose_prints_which_op_runs_on_which_path():
    sets = available()
    assert sets == NAMES[:len(sets)]
    for chosen in sets:
        text = ingot("--verbose", "--version", environment={"INGOT_ISA": chosen}).stdout
        assert f"instruction set: {chosen}\n" in text and "kernel version: " in text and "threads: " in text
        plain = "avx512" if chosen.startswith("avx512") else chosen
        assert re.search(rf"^  rms_norm backward +fp32: {plain} +bf16: {plain}$", text, re.M), text
    assert re.search(r"^  attention backward", ingot("--version", "--verbose").stdout, re.M) or "avx512_bf16" not in sets


def test_a_set_that_is_none_or_that_the_cpu_lacks_is_refused(tmp_path):
    config = write_config(tmp_path)
    unknown = ingot("train", config, check=False, environment={"INGOT_ISA": "avx3"})
    assert unknown.returncode == 2 and 'INGOT_ISA: found "avx3", wanted one of avx512_amx' in unknown.stderr
    for lacking in set(NAMES) - set(available()):
        refused = ingot("train", config, check=False, environment={"INGOT_ISA": lacking})
        assert refused.returncode == 2 and f"found {lacking}, which this CPU lacks; wanted one of baseline" in refused.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_set_trains_the_same_within_rounding_and_a_resume_says_what_changed(tmp_path, precision):
    sets, losses = available(), {}
    for chosen in sets:
        folder = tmp_path / chosen
        folder.mkdir()
        ingot("train", write_config(folder, precision=precision), environment={"INGOT_ISA": chosen})
        losses[chosen] = read_losses(folder / "run")
    for chosen in sets[1:]:
        for step, loss in losses["baseline"].items():
            assert losses[chosen][step] == pytest.approx(loss, rel=1e-5 if precision == "fp32" else 5e-3), (chosen, step)
    if len(sets) == 1:
        pytest.skip("this CPU has one instruction set: nothing can change at a resume")
    resumed = ingot("train", write_config(tmp_path / "baseline", precision=precision, max_steps=8), environment={"INGOT_ISA": sets[-1]})
    assert f'resuming with instruction set "{sets[-1]}", it was "baseline"' in resumed.stderr
    assert len(read_losses(tmp_path / "baseline" / "run")) == 8
