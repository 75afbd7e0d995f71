"""The long phases of a job: a stop ends them at once and loses nothing, and a bar that ends says 100%."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time

import pytest
import torch
from safetensors.torch import save_file

from conftest import INGOT, ROOT, STORIES, write_config

SIZES = {"hidden_size": 1024, "head_dim": 128, "intermediate_size": 4096, "num_hidden_layers": 6}


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A model of 94 M parameters, all zero but the norms, float32: reading it takes a while."""
    folder = tmp_path_factory.mktemp("large") / "model"
    shutil.copytree(STORIES, folder)
    config = {**json.loads((STORIES / "config.json").read_text()), **SIZES}
    (folder / "config.json").write_text(json.dumps(config))
    layer = {"self_attn.q_proj": (1024, 1024), "self_attn.k_proj": (512, 1024), "self_attn.v_proj": (512, 1024), "self_attn.o_proj": (1024, 1024),
             "mlp.gate_proj": (4096, 1024), "mlp.up_proj": (4096, 1024), "mlp.down_proj": (1024, 4096)}
    tensors = {"model.embed_tokens.weight": torch.zeros(config["vocab_size"], 1024), "model.norm.weight": torch.ones(1024)}
    for number in range(SIZES["num_hidden_layers"]):
        for name, shape in layer.items():
            tensors[f"model.layers.{number}.{name}.weight"] = torch.zeros(shape)
        for name in ["input_layernorm", "post_attention_layernorm"]:
            tensors[f"model.layers.{number}.{name}.weight"] = torch.ones(1024)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    yield folder
    shutil.rmtree(folder)


def lora_config(folder, model):
    return write_config(folder, model_name_or_path=str(model), finetuning_type="lora", precision="bf16", max_steps=1, cutoff_len=16,
                        micro_batch_size=1, global_batch_size=1)


def stopped_at(config, is_time):
    """What `train` says when SIGTERM comes as soon as `is_time` holds of what it said so far; it ends within ten seconds of it."""
    with subprocess.Popen([INGOT, "train", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        said = []
        for line in process.stderr:
            said.append(line)
            if is_time(line):
                break
        process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        said += process.stderr.readlines()
        assert process.wait(timeout=60) == 143, "".join(said)
        assert time.monotonic() - begin < 10
        return "".join(said)


def test_a_stop_while_weights_are_read_or_written_loses_nothing(tmp_path, large):
    config, run = lora_config(tmp_path, large), tmp_path / "run"
    said = stopped_at(config, lambda line: "tokens in" in line)  # the data is ready, the weights come next
    assert re.search(r"stopped by signal 15 while (loading|reading) weights, nothing is lost", said), said
    assert not (run / "checkpoints").exists() and not (run / "model").exists()

    said = stopped_at(config, lambda line: "the adapter of step" in line)  # the merged model comes next
    assert re.search("stopped by signal 15 while (loading weights|writing a model)", said), said
    assert not (run / "model").exists() and (run / "checkpoints/iter_0000001").exists()

    done = subprocess.run([INGOT, "train", str(config)], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "resuming after step 1" in done.stderr and "iteration" not in done.stdout
    assert (run / "model/model.safetensors").exists()
    assert not [name for name in os.listdir(run) if name.startswith(".staging")]


def last_bars(*command):
    """label -> the last line of its bar on a terminal; the command ends well."""
    master, slave = pty.openpty()
    with subprocess.Popen([INGOT, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave, cwd=ROOT) as process:
        os.close(slave)
        said = b""
        try:
            while piece := os.read(master, 65536):
                said += piece
        except OSError:  # the other end is closed
            pass
        assert process.wait(timeout=60) == 0, said.decode()
    os.close(master)
    bars = re.findall(r"(?:\r\x1b\[K|^)([^\[\r\n]+) \[[#.]+\] +(\d+)% ", said.decode(), re.MULTILINE)
    return dict(bars), said.decode()


def test_a_bar_that_ends_says_100_percent(tmp_path, large):
    bars, said = last_bars("generate", "--model", large, "--prompt", "Once", "--max-new-tokens", 1, "--precision", "bf16")
    assert bars.get("loading weights") == "100", said

    config = lora_config(tmp_path, large)
    (tmp_path / "data.jsonl").write_text("".join(json.dumps({"text": f"{i} boys and {i} girls went out to play. " * 40}) + "\n" for i in range(4000)))
    bars, said = last_bars("train", config, "--set", f"dataset={tmp_path / 'data.jsonl'}")
    for phase in ["tokenizing text", "loading weights", "writing weights"]:
        assert bars.get(phase) == "100", (phase, said)
