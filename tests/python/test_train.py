"""The main job end to end: configuration in, trained Hugging Face folder out."""

import json
import re

import pytest

from conftest import STORIES, ingot, read_losses, write_config

MEGATRON_LINE = re.compile(
    r" \[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] iteration +\d+/ +\d+ \| consumed samples: +\d+ \| elapsed time per iteration \(ms\): "
    r"\d+\.\d \| throughput per GPU \(TFLOP/s/GPU\): \d+\.\d \| learning rate: \d\.\d{6}E[+-]\d\d \| global batch size: +\d+ \| "
    r"lm loss: \d\.\d{6}E[+-]\d\d \| loss scale: \d+\.\d \| grad norm: \d+\.\d{3} \| number of skipped iterations: +\d+ \| "
    r"number of nan iterations: +\d+ \|$")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    config = write_config(folder, max_steps=30, val_size=8, eval_steps=10, sample_prompts=["Once upon a time"])
    return folder / "run", ingot("train", config)


def test_the_loss_falls(trained):
    losses = read_losses(trained[0])
    assert list(losses) == list(range(1, 31))
    assert sum(losses[step] for step in range(26, 31)) < sum(losses[step] for step in range(1, 6)) - 0.5


def test_every_step_prints_the_megatron_line(trained):
    lines = [line for line in trained[1].stdout.splitlines() if "] iteration " in line]
    assert len(lines) == 30
    assert all(MEGATRON_LINE.match(line) for line in lines), lines[0]


def test_validation_and_samples_stand_before_and_after(trained):
    text = trained[1].stdout
    before, after = map(float, re.search(r"validation loss ([\d.]+) before, ([\d.]+) after", text).groups())
    assert after < before
    assert "sample before training" in text and "sample after training" in text


def test_the_export_opens_in_transformers_and_gives_our_loss(trained, tmp_path):
    import torch
    import transformers
    folder = trained[0] / "model"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    text = "Once upon a time, there was a king.\n"
    ids = json.loads(ingot("tokenize", "--model", folder, "--add-special-tokens", text=text).stdout)
    (tmp_path / "ids.jsonl").write_text(json.dumps({"input_ids": ids}) + "\n")
    scored = json.loads(ingot("eval", "--model", folder, "--data", tmp_path / "ids.jsonl", "--json").stdout)
    with torch.no_grad():
        wanted = model(torch.tensor([ids]), labels=torch.tensor([ids])).loss.item()
    assert scored["tokens"] == len(ids) - 1
    assert scored["loss"] == pytest.approx(wanted, abs=1e-5)


def test_a_finished_run_is_recognised(trained):
    config = trained[0].parent / "config.yaml"
    again = ingot("train", config)
    assert "] iteration " not in again.stdout
    assert len(read_losses(trained[0])) == 30


def test_export_writes_other_dtypes(trained, tmp_path):
    ingot("export", trained[0], "--to", tmp_path / "bf16", "--dtype", "bfloat16")
    config = json.loads((tmp_path / "bf16/config.json").read_text())
    assert config["torch_dtype"] == "bfloat16"
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (trained[0] / "model", tmp_path / "bf16")]
    assert 1.9 < sizes[0] / sizes[1] < 2.1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_zero_learning_rate_exports_the_weights_that_came_in(tmp_path, precision):
    ingot("train", write_config(tmp_path, learning_rate=0, max_steps=1, precision=precision))
    assert (tmp_path / "run/model/model.safetensors").read_bytes() == (STORIES / "model.safetensors").read_bytes()
    assert (tmp_path / "run/model/config.json").read_bytes() == (STORIES / "config.json").read_bytes()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_from_scratch_learns(tmp_path, precision):
    ingot("train", write_config(tmp_path, train_from_scratch=True, precision=precision, max_steps=30, warmup_steps=3))
    losses = read_losses(tmp_path / "run")
    assert losses[1] == pytest.approx(6.238, abs=0.15)  # ln(512): nothing is known at the start
    assert losses[30] < 5.6


@pytest.mark.parametrize("recompute", ["selective", "full"])
def test_recompute_changes_memory_and_not_numbers(tmp_path, recompute):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    ingot("train", write_config(tmp_path / "a", max_steps=3))
    ingot("train", write_config(tmp_path / "b", max_steps=3, recompute=recompute))
    kept, recomputed = read_losses(tmp_path / "a/run"), read_losses(tmp_path / "b/run")
    assert recomputed == pytest.approx(kept, abs=1e-6)


def test_micro_batches_do_not_change_the_losses(tmp_path):
    losses = []
    for micro in (1, 2, 8):
        folder = tmp_path / str(micro)
        folder.mkdir()
        ingot("train", write_config(folder, micro_batch_size=micro, global_batch_size=8, max_steps=4, learning_rate=1e-4))
        losses.append(read_losses(folder / "run"))
    assert losses[1] == pytest.approx(losses[0], abs=1e-6)
    assert losses[2] == pytest.approx(losses[0], abs=1e-6)


def test_inspect_shows_tokens_and_documents(trained):
    prefix = next((trained[0] / "data").glob("*.bin")).with_suffix("")
    row = json.loads(ingot("inspect", prefix, "--model", STORIES, "--seq-length", 64, "--json").stdout)
    assert len(row["input_ids"]) == 64 and row["documents"][0] == {"document": 0, "start": 0}
    assert "First Citizen" in row["text"]


def test_tokenize_goes_there_and_back():
    ids = ingot("tokenize", "--model", STORIES, text="Once upon a time\n").stdout
    assert json.loads(ids)[0] != 1
    assert ingot("tokenize", "--model", STORIES, "--decode", text=ids).stdout.strip() == "Once upon a time"
    with_bos = ingot("tokenize", "--model", STORIES, "--add-special-tokens", text="Once upon a time\n").stdout
    assert json.loads(with_bos) == [1, *json.loads(ids)]


def test_the_logged_loss_is_the_mean_since_the_line_before(tmp_path):
    printed = ingot("train", write_config(tmp_path, max_steps=7, logging_steps=3)).stdout
    logged = {int(step): float(loss) for step, loss in re.findall(r"iteration +(\d+)/ +7 .*? lm loss: (\S+)", printed)}
    own = read_losses(tmp_path / "run")
    assert sorted(own) == list(range(1, 8)) and len(set(own.values())) == 7
    wanted = {3: (own[1] + own[2] + own[3]) / 3, 6: (own[4] + own[5] + own[6]) / 3, 7: own[7]}
    assert logged == pytest.approx(wanted, rel=1e-6)
