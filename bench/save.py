"""Peak memory and time of full fine-tuning with and without a checkpoint inside, at the shape of Qwen2.5-0.5B.

    ~/.cache/ingot/test-env/bin/python bench/save.py [--rounds 3] [--steps 6] [--precision auto] [--program build/release/bin/ingot]
                                                     [--trainer]

The model has random weights (train_from_scratch) and AdamW; a step has 2 rows of 512 tokens. The run with a save inside saves
after half of its steps, and both save at their end. They take turns (A B A B ...). Printed are the medians of: the peak resident
set of the process up to its last step and as a whole (with the last save and the export), the seconds of all steps, and those of
the step that the save goes on beside. With --trainer, transformers' Trainer (bf16 autocast, fp32 parameters) trains and saves alike
in its turn. Two checkpoints and the model take 14 GiB of the disk under the temporary folder, another 14 with --trainer.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from train_step import ROOT, make_model_folder, run_child

ROWS, LENGTH = 2, 512
SHAPE = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 151936, "hidden_size": 896,
         "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2, "intermediate_size": 4864,
         "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": True,
         "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "bfloat16", "hidden_act": "silu"}


def peak_of(process):
    """Peak resident set so far in GiB; 0 when the process has ended."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return next((int(line.split()[1]) / 2**20 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def process_is_alive(process):
    return pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def steps_of(run):
    """What metrics.jsonl says of each step so far."""
    metrics = run / "metrics.jsonl"
    lines = [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.exists() else []
    return [line for line in lines if "grad_norm" in line]


def train(arguments, folder, save_steps):
    """One run: (peak up to the last step, peak of all, seconds of the steps, seconds of the step after the save)."""
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    config = {"model_name_or_path": str(folder / "model"), "train_from_scratch": True, "precision": arguments.precision,
              "dataset": str(ROOT / "examples/data/shakespeare.parquet"), "cutoff_len": LENGTH, "micro_batch_size": ROWS,
              "global_batch_size": ROWS, "save_steps": save_steps, "max_steps": arguments.steps, "output_dir": str(run)}
    (folder / "run.yaml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items()))
    process = subprocess.Popen([arguments.program, "train", str(folder / "run.yaml")], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    peak_of_steps = 0
    try:
        while len(steps_of(run)) < arguments.steps and process_is_alive(process):
            peak_of_steps = max(peak_of_steps, peak_of(process))
            time.sleep(0.02)
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        raise
    if status != 0:
        sys.exit(f"{arguments.program} ended with {status}")
    seconds = [step["seconds"] for step in steps_of(run)]
    return peak_of_steps, usage.ru_maxrss / 2**20, sum(seconds), seconds[arguments.steps // 2]


def train_by_trainer(arguments, folder):
    """One run of transformers' Trainer with a save inside: its peak of all and the seconds of its steps; it says neither of the others."""
    output, memory = run_child([sys.executable, __file__, "--side", str(folder / "trainer"), "--steps", str(arguments.steps)])
    shutil.rmtree(folder / "trainer")
    return float("nan"), memory / 1024, float(output.split()[-1]), float("nan")


def run_trainer_side(arguments):
    import torch
    import transformers

    class Watch(transformers.TrainerCallback):
        seconds, started = 0.0, 0.0

        def on_step_begin(self, *_, **__):
            self.started = time.perf_counter()

        def on_step_end(self, *_, **__):
            self.seconds += time.perf_counter() - self.started

    torch.manual_seed(0)
    shape = {key: value for key, value in SHAPE.items() if key not in ("architectures", "model_type", "torch_dtype")}
    model = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**shape))
    rows = [{"input_ids": ids, "labels": ids} for ids in torch.randint(0, 512, (ROWS * arguments.steps, LENGTH))]
    settings = transformers.TrainingArguments(
        output_dir=arguments.side, max_steps=arguments.steps, per_device_train_batch_size=ROWS, bf16=True, use_cpu=True,
        save_strategy="steps", save_steps=arguments.steps // 2, report_to=[], disable_tqdm=True)
    watch = Watch()
    transformers.Trainer(model, settings, train_dataset=rows, callbacks=[watch]).train()
    print(watch.seconds)
    return 0


def cpu_name():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")


def line_of(arguments, side, runs):
    steps, whole, seconds, beside = (statistics.median(run[i] for run in runs) for i in range(4))
    return (f"{side:<16} {steps:6.2f} GiB peak up to the last step {whole:6.2f} GiB of all {seconds:8.2f} s in all steps "
            f"{beside:7.2f} s in step {arguments.steps // 2 + 1}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--precision", choices=["auto", "bf16", "fp32"], default="auto")
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/ingot"))
    parser.add_argument("--trainer", action="store_true")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        return run_trainer_side(arguments)
    results = {"no save inside": [], "one save inside": [], **({"Trainer": []} if arguments.trainer else {})}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_model_folder(folder / "model", SHAPE)
        for _ in range(arguments.rounds):
            for side, runs in results.items():
                runs.append(train_by_trainer(arguments, folder) if side == "Trainer" else
                            train(arguments, folder, arguments.steps // 2 if side == "one save inside" else 0))
                print(line_of(arguments, side, runs[-1:]), file=sys.stderr, flush=True)
    print(f"{cpu_name()}, {os.cpu_count()} cores; {arguments.steps} steps of {ROWS} x {LENGTH} tokens; medians of {arguments.rounds}")
    for side, runs in results.items():
        print(line_of(arguments, side, runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
