"""One training step of a 135 M Llama beside the same step in eager PyTorch: tokens/s, share of the matrix rate, memory.

    ~/.cache/ingot/test-env/bin/python bench/train_step.py [--rounds 3] [--seq 512] [--micro 4] [--lora]

Both sides have random weights, bf16 matrix products, fp32 master weights and AdamW, the same rows a step and all cores. With --lora
the weights are frozen in bf16 and an adapter of rank 8 on all linear layers is trained, by PEFT on the other side. They take
turns (A B A B ...); the medians and the ratio of medians are printed. Steps after the second count. Model FLOPs = 6 N T (4 N T where the
weights are frozen) + attention, with N the parameters in matrix products; the matrix rate is that of a bf16 product of 2048 x 2048 x 2048, measured in
the same run. Memory is the peak resident set of the process.
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

ROOT = pathlib.Path(__file__).resolve().parents[1]
WARM_UP_STEPS = 2
LORA = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"}
SHAPE = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 49152, "hidden_size": 576,
         "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536,
         "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 100000.0, "tie_word_embeddings": True,
         "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float32", "hidden_act": "silu"}


def model_flops(seq, rows, lora):
    """FLOPs of forward and backward of one step; the adapter's own are left out."""
    hidden, layers, heads = SHAPE["hidden_size"], SHAPE["num_hidden_layers"], SHAPE["num_attention_heads"]
    kv_width = hidden // heads * SHAPE["num_key_value_heads"]
    per_layer = 2 * hidden * hidden + 2 * hidden * kv_width + 3 * hidden * SHAPE["intermediate_size"]
    matmul_parameters = layers * per_layer + SHAPE["vocab_size"] * hidden
    return (4 if lora else 6) * matmul_parameters * seq * rows + 12 * layers * hidden * seq * seq / 2 * rows


def make_model_folder(folder, shape):
    """A Hugging Face folder of that config.json without weights, with the tokenizer of stories260K."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(shape))
    for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(ROOT / "examples/stories260k" / name, folder / name)


def run_child(command):
    """Runs a command; returns its standard output and its peak resident set in MiB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} ended with {status}")
    return output, usage.ru_maxrss / 1024


def make_weights(folder):
    """Random weights for the frozen model, written by a run of one step."""
    config = {"model_name_or_path": str(folder / "model"), "train_from_scratch": True, "dataset": str(ROOT / "examples/data/shakespeare.parquet"),
              "cutoff_len": 16, "global_batch_size": 1, "max_steps": 1, "learning_rate": 0, "export_dtype": "bfloat16",
              "output_dir": str(folder / "scratch")}
    (folder / "scratch.yaml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items()))
    run_child([str(ROOT / "build/release/bin/ingot"), "train", str(folder / "scratch.yaml")])


def ingot_step(arguments, folder):
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    start = ({"model_name_or_path": str(folder / "scratch/model"), "finetuning_type": "lora", "lora_rank": LORA["r"],
              "lora_alpha": LORA["lora_alpha"]} if arguments.lora else
             {"model_name_or_path": str(folder / "model"), "train_from_scratch": True})
    config = {**start, "precision": "bf16",
              "dataset": str(ROOT / "examples/data/shakespeare.parquet"), "cutoff_len": arguments.seq,
              "micro_batch_size": arguments.micro, "global_batch_size": arguments.micro, "save_steps": 0,
              "max_steps": WARM_UP_STEPS + arguments.steps, "output_dir": str(run)}
    (folder / "run.yaml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items()))
    _, memory = run_child([str(ROOT / "build/release/bin/ingot"), "train", str(folder / "run.yaml")])
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    seconds = [line["seconds"] for line in lines if "grad_norm" in line][WARM_UP_STEPS:]
    return statistics.median(seconds), memory


def torch_step(arguments):
    output, memory = run_child([sys.executable, __file__, "--side", "torch", "--seq", str(arguments.seq),
                                "--micro", str(arguments.micro), "--steps", str(arguments.steps), *["--lora"] * arguments.lora])
    return float(output), memory


def run_torch_side(arguments):
    """Eager PyTorch: transformers' Llama under bf16 autocast, fp32 parameters, or PEFT's on bf16 ones, torch.optim.AdamW."""
    import torch
    import transformers
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SHAPE)).train()
    if arguments.lora:
        import peft
        model = peft.get_peft_model(model.bfloat16(), peft.LoraConfig(task_type="CAUSAL_LM", **LORA))
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-4)
    seconds = []
    for _ in range(WARM_UP_STEPS + arguments.steps):
        ids = torch.randint(0, 512, (arguments.micro, arguments.seq))
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
    print(statistics.median(seconds[WARM_UP_STEPS:]))


def matrix_rate():
    """FLOP/s of a bf16 product through the same library."""
    import torch
    a, b = torch.randn(2048, 2048).bfloat16(), torch.randn(2048, 2048).bfloat16()
    seconds = []
    for _ in range(12):
        start = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - start)
    return 2 * 2048**3 / statistics.median(seconds[2:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seq", type=int, default=512)
    parser.add_argument("--micro", type=int, default=4)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--lora", action="store_true")
    parser.add_argument("--side", choices=["torch"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        return run_torch_side(arguments)
    results, rates = {"ingot": [], "eager": []}, []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_model_folder(folder / "model", SHAPE)
        if arguments.lora:
            make_weights(folder)
        for _ in range(arguments.rounds):
            rates.append(matrix_rate())
            results["ingot"].append(ingot_step(arguments, folder))
            results["eager"].append(torch_step(arguments))
    rate, tokens, flops = statistics.median(rates), arguments.seq * arguments.micro, model_flops(arguments.seq, arguments.micro, arguments.lora)
    print(f"bf16 matrix rate {rate / 1e9:.0f} GFLOP/s; {tokens} tokens and {flops / 1e9:.0f} GFLOP a step")
    for side, runs in results.items():
        seconds, memory = statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)
        print(f"{side:<6} {seconds:7.3f} s/step {tokens / seconds:8.0f} tokens/s {flops / seconds / rate:6.1%} of the rate "
              f"{memory:7.0f} MiB peak")
    ratio = statistics.median(e[0] for e in results["eager"]) / statistics.median(i[0] for i in results["ingot"])
    print(f"ingot does {ratio:.2f} steps while eager PyTorch does one")
    return 0


if __name__ == "__main__":
    sys.exit(main())
