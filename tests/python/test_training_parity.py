"""Fifty AdamW steps of `ingot train` beside a plain PyTorch loop over the same rows."""

import math
import pathlib

import numpy
import pytest
import torch
import transformers

from conftest import STORIES, ingot, read_losses, write_config

STEPS, SEQ, MICRO, GLOBAL = 50, 64, 2, 8
SETTINGS = {"learning_rate": 5e-4, "min_lr": 5e-5, "warmup_steps": 5, "weight_decay": 0.1, "adam_beta1": 0.9,
            "adam_beta2": 0.95, "adam_epsilon": 1e-8, "max_grad_norm": 1.0}


def train_with_ingot(folder, **keys):
    folder.mkdir(exist_ok=True)
    config = write_config(folder, cutoff_len=SEQ, micro_batch_size=MICRO, global_batch_size=GLOBAL, max_steps=STEPS,
                          lr_scheduler_type="cosine", save_steps=0, shuffle=False, **{**SETTINGS, **keys})
    ingot("train", config)
    losses = read_losses(folder / "run")
    assert list(losses) == list(range(1, STEPS + 1))
    return folder / "run", [losses[step] for step in range(1, STEPS + 1)]


def read_rows(run):
    """Inputs and labels of every row, [rows, SEQ]; 512 ids fit Megatron's 16-bit tokens."""
    file, = (pathlib.Path(run) / "data").glob("*_document.bin")
    tokens = numpy.fromfile(file, dtype=numpy.uint16).astype(numpy.int64)
    assert len(tokens) > STEPS * GLOBAL * SEQ, "the loop would reach the padded last row"
    rows = (len(tokens) - 1) // SEQ
    inputs, labels = tokens[:rows * SEQ], tokens[1:rows * SEQ + 1]
    return torch.from_numpy(inputs.reshape(rows, SEQ)), torch.from_numpy(labels.reshape(rows, SEQ).copy())


def rate_at(step):
    peak, least, warmup = SETTINGS["learning_rate"], SETTINGS["min_lr"], SETTINGS["warmup_steps"]
    if step < warmup:
        return peak * (step + 1) / warmup
    return least + (peak - least) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (STEPS - warmup)))


def train_with_torch(run, rate=rate_at, beta2=SETTINGS["adam_beta2"], decay_norms=False):
    """The losses of a loop with nothing but transformers' model and torch.optim.AdamW."""
    model = transformers.AutoModelForCausalLM.from_pretrained(STORIES, dtype=torch.float32, attn_implementation="eager")
    matrices = [p for p in model.parameters() if p.dim() >= 2 or decay_norms]
    others = [p for p in model.parameters() if p.dim() < 2 and not decay_norms]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": SETTINGS["weight_decay"]}, {"params": others, "weight_decay": 0.0}],
        betas=(SETTINGS["adam_beta1"], beta2), eps=SETTINGS["adam_epsilon"])
    inputs, labels = read_rows(run)
    losses = []
    for step in range(STEPS):
        rows = slice(step * GLOBAL, (step + 1) * GLOBAL)
        logits = model(inputs[rows]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[rows].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), SETTINGS["max_grad_norm"])
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.step()
        losses.append(loss.item())
    return losses


def largest_difference(a, b):
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def fp32(tmp_path_factory):
    return train_with_ingot(tmp_path_factory.mktemp("parity") / "fp32")


def test_fifty_steps_follow_pytorch(fp32):
    run, losses = fp32
    assert losses[-1] < losses[0] - 0.5, "nothing was learned: the comparison would say little"
    assert largest_difference(losses, train_with_torch(run)) < 1e-5


@pytest.mark.parametrize("wrong", [
    {"rate": lambda step: rate_at(step) if step >= 5 else SETTINGS["learning_rate"] * step / 5},  # warm-up from 0
    {"beta2": 0.999},
    {"decay_norms": True},
], ids=["warm-up", "beta2", "decay"])
def test_a_loop_with_one_thing_wrong_is_told_apart(fp32, wrong):
    run, losses = fp32
    assert largest_difference(losses, train_with_torch(run, **wrong)) > 1e-5


def train_bf16_with_torch(run, round_masters):
    """The losses of a bfloat16 model whose float32 masters torch.optim.AdamW updates."""
    exact = transformers.AutoModelForCausalLM.from_pretrained(STORIES, dtype=torch.float32)
    model = transformers.AutoModelForCausalLM.from_pretrained(STORIES, dtype=torch.bfloat16)
    masters = [torch.nn.Parameter(p.detach().float()) for p in (model if round_masters else exact).parameters()]
    optimizer = torch.optim.AdamW(
        [{"params": [m for m in masters if m.dim() >= 2], "weight_decay": SETTINGS["weight_decay"]},
         {"params": [m for m in masters if m.dim() < 2], "weight_decay": 0.0}],
        betas=(SETTINGS["adam_beta1"], SETTINGS["adam_beta2"]), eps=SETTINGS["adam_epsilon"])
    inputs, labels = read_rows(run)
    losses = []
    for step in range(STEPS):
        rows = slice(step * GLOBAL, (step + 1) * GLOBAL)
        logits = model(inputs[rows]).logits.float()
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[rows].flatten())
        model.zero_grad()
        loss.backward()
        for master, parameter in zip(masters, model.parameters(), strict=True):
            master.grad = parameter.grad.float()
        torch.nn.utils.clip_grad_norm_(masters, SETTINGS["max_grad_norm"])
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step)
        optimizer.step()
        with torch.no_grad():
            for master, parameter in zip(masters, model.parameters(), strict=True):
                parameter.copy_(master)
        losses.append(loss.item())
    return losses


BF16_BOUND = 0.03  # of a loss from the fp32 run's; PyTorch's own bf16 run is about 0.02 away from it


def test_bf16_stays_within_its_bound(fp32, tmp_path):
    _, losses = train_with_ingot(tmp_path / "bf16", precision="bf16")
    assert largest_difference(losses, fp32[1]) < BF16_BOUND


@pytest.mark.parametrize("round_masters", [False, True])
def test_masters_rounded_to_bf16_at_the_start_break_the_bound(fp32, round_masters):
    run, losses = fp32
    assert (largest_difference(train_bf16_with_torch(run, round_masters), losses) > BF16_BOUND) == round_masters
