"""Tokens a second and peak memory of a rank: one rank on two threads beside two ranks on one thread each, which share the batch (DP), the batch and
the optimizer's state (ZeRO-1), the sums of the gradients, too (ZeRO-2), the weights as well (ZeRO-3), the layers (PP), or the matrices (TP).

    ~/.cache/ingot/test-env/bin/python bench/ranks.py [--shape 30M|134M|0.5B] [--rounds 3] [--steps 3] [--rows 16] [--length 512] [--torch]
                                                      [--sides DP,PP]

The model has random weights and AdamW; a step has ROWS rows, one a forward pass. All sides take turns (A B C A B C ...), the first step of each is
not counted. Tokens a core second tell what the work takes where others use the machine, too; waiting for others and spinning count with it. With
--torch PyTorch's DistributedDataParallel and FSDP2 (fully_shard of every layer) on gloo do the same steps by two processes of one thread, fp32.
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
import threading
import time

from save import SHAPE, cpu_name, steps_of
from train_step import ROOT, make_model_folder

SHAPES = {"30M": {"vocab_size": 32000, "hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4, "intermediate_size": 1408},
          "134M": {"vocab_size": 32000, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "num_key_value_heads": 4, "intermediate_size": 3072},
          "0.5B": {}}
FIRST = "1 rank, 2 threads"
SIDES = {FIRST: (1, {}), "DP": (2, {}), "DP, ZeRO-1": (2, {"zero_stage": 1}), "DP, ZeRO-2": (2, {"zero_stage": 2}),
         "DP, ZeRO-3": (2, {"zero_stage": 3}), "PP": (2, {"pipeline_model_parallel_size": 2}), "TP": (2, {"tensor_model_parallel_size": 2})}
PEERS = {"PyTorch DDP": "ddp", "PyTorch FSDP2": "fsdp"}


class Watch(threading.Thread):
    """Notes the highest resident set of each process below `root`, and what all of them have computed: (time, core seconds)."""

    def __init__(self, root):
        super().__init__()
        self.root, self.peaks, self.cpu, self.stop = root, {}, [], threading.Event()

    def note(self, entry):
        fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        if int(entry.name) != self.root and int(fields[1]) != self.root:
            return 0
        lines = (entry / "status").read_text().splitlines()
        self.peaks[entry.name] = max(self.peaks.get(entry.name, 0), next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0))
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def run(self):
        while not self.stop.wait(0.1):
            seconds = 0
            for entry in pathlib.Path("/proc").iterdir():
                try:
                    seconds += self.note(entry) if entry.name.isdigit() else 0
                except (OSError, ValueError):
                    pass
            self.cpu.append((time.time(), seconds))

    def cpu_at(self, moment):
        return min(self.cpu, key=lambda one: abs(one[0] - moment))[1]


def run_watched(command, environment):
    """What a command prints, and its watch."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
    watch = Watch(process.pid)
    watch.start()
    output, errors = process.communicate()
    watch.stop.set()
    watch.join()
    if process.returncode != 0:
        sys.exit(f"{command} ended with {process.returncode}\n{errors[-2000:]}")
    return output, watch


def train(arguments, folder, ranks, keys):
    """One run: tokens a second, peak of a rank in GiB, tokens a core second."""
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    config = {"model_name_or_path": str(folder / "model"), "train_from_scratch": True, "precision": arguments.precision,
              "dataset": str(ROOT / "examples/data/shakespeare.parquet"), "cutoff_len": arguments.length, "micro_batch_size": 1,
              "global_batch_size": arguments.rows, "save_steps": 0, "max_steps": arguments.steps + 1, "output_dir": str(run), **keys}
    (folder / "run.yaml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items()))
    _, watch = run_watched([arguments.program, "train", str(folder / "run.yaml"), "--nproc", str(ranks)], {"OMP_NUM_THREADS": str(2 // ranks)})
    first, *steps = steps_of(run)
    tokens = sum(step["tokens"] for step in steps)
    core_seconds = watch.cpu_at(steps[-1]["time"]) - watch.cpu_at(first["time"])
    return tokens / sum(step["seconds"] for step in steps), max(watch.peaks.values()) / 2**20, tokens / core_seconds


def train_by_torch(arguments, peer):
    output, watch = run_watched([sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29512", __file__, "--peer", peer,
                                 "--shape", arguments.shape, "--steps", str(arguments.steps), "--rows", str(arguments.rows), "--length", str(arguments.length)],
                                {"OMP_NUM_THREADS": "1"})
    rate, of_core = map(float, output.split()[-2:])
    return rate, max(watch.peaks.values()) / 2**20, of_core


def shared_model(shape, peer):
    """The model over both ranks, and a function that says whether the next backward pass sums gradients over them."""
    import torch
    import transformers
    model = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**shape))
    if peer == "ddp":
        shared = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
        return shared, lambda sums: setattr(shared, "require_backward_grad_sync", sums)
    mesh = torch.distributed.init_device_mesh("cpu", (2,))
    for layer in model.model.layers:
        torch.distributed.fsdp.fully_shard(layer, mesh=mesh)
    return torch.distributed.fsdp.fully_shard(model, mesh=mesh), lambda sums: None  # its gradients are shared in every pass: what it is for


def run_peer(arguments):
    import torch
    torch.distributed.init_process_group("gloo")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = {key: value for key, value in {**SHAPE, **SHAPES[arguments.shape]}.items() if key not in ("architectures", "model_type", "torch_dtype")}
    model, set_sums = shared_model(shape, arguments.peer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    seconds = cpu = 0.0
    for step in range(arguments.steps + 1):
        begin, cpu_begin = time.perf_counter(), time.process_time()
        for i in range(arguments.rows // 2):
            ids = torch.randint(0, 512, (1, arguments.length))
            set_sums(i == arguments.rows // 2 - 1)
            model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step > 0:
            seconds, cpu = seconds + time.perf_counter() - begin, cpu + time.process_time() - cpu_begin
    of_both = torch.tensor(cpu)
    torch.distributed.all_reduce(of_both)
    if torch.distributed.get_rank() == 0:
        tokens = arguments.steps * arguments.rows * arguments.length
        print(tokens / seconds, tokens / of_both.item())
    torch.distributed.destroy_process_group()
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="30M")
    for name, default in (("rounds", 3), ("steps", 3), ("rows", 16), ("length", 512)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--precision", choices=["auto", "bf16", "fp32"], default="fp32")
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/ingot"))
    parser.add_argument("--torch", action="store_true")
    parser.add_argument("--sides", default=",".join(name.replace(", ", "/") for name in SIDES if name != FIRST), help="of %(default)s; separated by commas")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return run_peer(arguments)
    names = [FIRST, *(name.replace("/", ", ") for name in arguments.sides.split(",") if name)]
    sides = {name: lambda folder, how=SIDES[name]: train(arguments, folder, *how) for name in names}
    if arguments.torch:
        sides |= {name: lambda folder, peer=peer: train_by_torch(arguments, peer) for name, peer in PEERS.items()}
    results = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_model_folder(folder / "model", {**SHAPE, **SHAPES[arguments.shape]})
        for _ in range(arguments.rounds):
            for side, run in sides.items():
                results[side].append(run(folder))
                print(side, *results[side][-1], file=sys.stderr)
    first = [statistics.median(run[i] for run in results[FIRST]) for i in range(3)]
    print(f"{cpu_name()}, {os.cpu_count()} cores; {arguments.shape}, {arguments.steps} steps of {arguments.rows} x {arguments.length} tokens; medians of {arguments.rounds}")
    for side, runs in results.items():
        rate, peak, of_core = (statistics.median(run[i] for run in runs) for i in range(3))
        print(f"{side:<18} {rate:8.1f} tokens/s ({rate / first[0]:4.2f} of the first) {of_core:8.1f} a core second ({of_core / first[2]:4.2f}) {peak:6.2f} GiB a rank; "
              f"rounds {' '.join(f'{run[0]:.1f}' for run in runs)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
