"""Predicted beside measured seconds of a step on 2, 4 and 8 ranks of this machine: how near the model of docs/scale.md is.

    ~/.cache/ingot/test-env/bin/python bench/scale.py [--rounds 3] [--steps 12] [--rows 8] [--length 64] [--bound 0.15]

Measured, in each round: steps of one rank (two such runs side by side, so that both cores are as busy as in the runs predicted) of a model, of the
half of it that a tensor parallel rank has, and with one row; and sums over two processes on Gloo, small and large (PyTorch has the same). From them follow
five figures: FLOP/s, seconds of a layer beside them, bytes/s in the optimizer, latency, bytes/s of the link. `ingot plan` gets these and the number of cores,
and predicts. Then the same configurations are trained. Ranks compute on one thread each; more ranks than cores share them. Whatever else runs on the
machine makes steps slower and never faster: of all rounds the fastest step counts, on both sides. Where the machine is never free for the length
of a step, the figures are of no use.
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

import numpy

from save import cpu_name, steps_of
from train_step import ROOT, SHAPE, make_model_folder

LAYERS, CORES = 8, os.cpu_count()
WHOLE = {**SHAPE, "vocab_size": 2048, "hidden_size": 256, "num_hidden_layers": LAYERS, "num_attention_heads": 8, "num_key_value_heads": 8,
         "head_dim": 32, "intermediate_size": 1024, "tie_word_embeddings": False}
HALF = {**WHOLE, "vocab_size": 1024, "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 512}
TP, PP, CHUNKS, ZERO = "tensor_model_parallel_size", "pipeline_model_parallel_size", "virtual_pipeline_model_parallel_size", "zero_stage"
LAYOUTS = {"dp 2": (2, {}), "tp 2": (2, {TP: 2}), "pp 2": (2, {PP: 2}), "pp 2, 4 chunks": (2, {PP: 2, CHUNKS: 4}),
           "dp 4": (4, {}), "dp 2 x pp 2, zero 1": (4, {PP: 2, ZERO: 1}), "tp 2 x pp 2": (4, {TP: 2, PP: 2}), "pp 4": (4, {PP: 4}),
           "dp 8": (8, {}), "dp 2 x tp 2 x pp 2": (8, {TP: 2, PP: 2}), "tp 2 x pp 4": (8, {TP: 2, PP: 4})}


def write_run(arguments, folder, name, shape, keys):
    config = {"model_name_or_path": str(folder / shape), "train_from_scratch": True, "precision": "fp32", "save_steps": 0, "micro_batch_size": 1,
              "dataset": str(ROOT / "examples/data/shakespeare.parquet"), "cutoff_len": arguments.length, "global_batch_size": arguments.rows,
              "max_steps": arguments.steps + 1, "output_dir": str(folder / f"run-{name}"), **keys}
    path = folder / f"{name}.yaml"
    path.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items()))
    return path


def planned(arguments, config, ranks, keys, **hardware):
    dp = ranks // (keys.get(TP, 1) * keys.get(PP, 1))
    options = [word for name, value in hardware.items() for word in (f"--{name.replace('_', '-')}", repr(float(value)))]
    result = subprocess.run([arguments.program, "plan", str(config), "--dp", str(dp), *options, "--json"], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stderr)
    return json.loads(result.stdout)["step"]


def run(arguments, configs, ranks):
    """Runs side by side: seconds of their fastest step; the first is not counted."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    folders = [config.parent / f"run-{config.stem}" for config in configs]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    processes = [subprocess.Popen([arguments.program, "train", str(config), "--nproc", str(ranks)], env=environment, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True) for config in configs]
    for process in processes:
        _, errors = process.communicate()
        if process.returncode != 0:
            sys.exit(errors[-2000:])
    return min(step["seconds"] for folder in folders for step in steps_of(folder)[1:])


def sum_over_two_processes(rank, port):
    """Child: seconds of sums of one value and of 4 MiB: the fastest tenth."""
    import torch
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    for count, repeats in ((1, 300), (1 << 20, 100)):
        tensor, seconds = torch.ones(count), []
        for _ in range(repeats):
            begin = time.perf_counter()
            torch.distributed.all_reduce(tensor)
            seconds.append(time.perf_counter() - begin)
        print(sorted(seconds)[repeats // 10])


def measure_link():
    """(seconds of a small sum over two ranks of this machine, of one of 4 MiB)."""
    port = str(20000 + os.getpid() % 10000)
    processes = [subprocess.Popen([sys.executable, __file__, "--side", str(rank), "--port", port], stdout=subprocess.PIPE, text=True) for rank in range(2)]
    return tuple(float(line) for line in [process.communicate()[0] for process in processes][0].split())


def one_rank(arguments, folder):
    """By name, the configurations whose steps one rank makes, two runs of each side by side, and what the plan counts in them: operations, passes
    through a layer, bytes of the optimizer."""
    found = {}
    for name, shape, keys in (("whole", "whole", {}), ("half", "half", {}), ("few", "whole", {"global_batch_size": 1, "max_steps": arguments.steps * 4})):
        configs = [write_run(arguments, folder, f"{name}-{i}", shape, keys) for i in range(2)]
        unit = planned(arguments, configs[0], 1, {}, flops=1e9, memory_rate=1e9, latency=0, layer_seconds=0, at_once=1)
        found[name] = configs, [unit["compute_seconds"] * 1e9, 3.0 * LAYERS * unit["micro_batches"], unit["memory_seconds"] * 1e9]
    return found


def fit(equations):
    """Seconds an operation, a layer's pass and a byte, none negative: least squares of relative errors."""
    rows = numpy.array([numpy.array(row) / seconds for row, seconds in equations])
    scale = rows.max(axis=0)
    kept = [0, 1, 2]
    while True:
        solution = numpy.linalg.lstsq(rows[:, kept] / scale[kept], numpy.ones(len(rows)), rcond=None)[0]
        if (solution >= 0).all():
            break
        kept.pop(int(solution.argmin()))
    found = [1e-18, 0, 1e-15]
    for place, value in zip(kept, solution, strict=True):
        found[place] = value / scale[place]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", 3), ("steps", 12), ("rows", 8), ("length", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--bound", type=float, default=0.15)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/ingot"))
    for name in ("side", "port"):
        parser.add_argument(f"--{name}", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side is not None:
        return sum_over_two_processes(arguments.side, arguments.port)
    best = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_model_folder(folder / "whole", WHOLE), make_model_folder(folder / "half", HALF)
        alone = one_rank(arguments, folder)
        layouts = {name: write_run(arguments, folder, name.replace(" ", "-").replace(",", ""), "whole", keys) for name, (_, keys) in LAYOUTS.items()}
        for number in range(arguments.rounds):
            found = {name: run(arguments, configs, 1) for name, (configs, _) in alone.items()}
            found["small"], found["large"] = measure_link()
            found |= {name: run(arguments, [config], LAYOUTS[name][0]) for name, config in layouts.items()}
            best = {name: min(seconds, best.get(name, seconds)) for name, seconds in found.items()}
            report(arguments, alone, layouts, best, number + 1)
    return 0


def report(arguments, alone, layouts, best, rounds):
    operation, layer, byte = fit([(counts, best[name]) for name, (_, counts) in alone.items()])
    latency, link = best["small"] / 2, (1 << 22) / (best["large"] - best["small"])  # a sum over two sends the tensor once, in two messages
    print(f"{cpu_name()}, {CORES} cores; {rounds} rounds, {arguments.steps} steps of {arguments.rows} x {arguments.length} tokens; the fastest of all")
    print(f"measured: {1e-9 / operation:.1f} GFLOP/s, {1e6 * layer:.0f} us a layer, {1e-9 / byte:.1f} GB/s in the optimizer, {1e6 * latency:.0f} us a message, {link / 1e9:.2f} GB/s")
    print(f"{'layout':<22}{'predicted':>11}{'measured':>11}{'error':>8}")
    errors = []
    for name, config in layouts.items():
        step = planned(arguments, config, *LAYOUTS[name], flops=1 / operation, layer_seconds=layer, memory_rate=1 / byte, latency=latency, link=link,
                       at_once=min(CORES, LAYOUTS[name][0]))
        errors.append(step["seconds"] / best[name] - 1)
        print(f"{name:<22}{step['seconds']:9.3f} s{best[name]:9.3f} s{100 * errors[-1]:+7.0f}%")
    within = sum(abs(error) <= arguments.bound for error in errors)
    print(f"{within} of {len(errors)} within {100 * arguments.bound:.0f}%; median {100 * statistics.median(abs(error) for error in errors):.0f}%, "
          f"worst {100 * max(abs(error) for error in errors):.0f}%", flush=True)


if __name__ == "__main__":
    sys.exit(main())
