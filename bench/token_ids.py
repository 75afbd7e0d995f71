"""Ids of real text: `ingot tokenize`, one thread, beside the library of every family, one thread: MB/s.

    ~/.cache/ingot/test-env/bin/python bench/token_ids.py [--rounds 3]

The text is every string of ../shared/data. Both sides take turns; medians are printed. Ingot's time is that of the whole process
but for what the same process takes for one short line: JSON in and out count, reading the tokenizer's files does not. The
library's time is that of one call for a list of all strings.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests/python"))

from tokenizer_oracles import ORACLES, make_folder  # noqa: E402
from tokenizer_texts import read_real_texts  # noqa: E402

SHARED = ROOT.parent / "shared"


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def library_call(oracle, texts):
    library = oracle.library
    if type(oracle).__name__ == "HuggingFace":
        return lambda: library.encode_batch_fast(texts, add_special_tokens=False)
    if type(oracle).__name__ == "SentencePiece":
        return lambda: library.encode(texts, num_threads=1)
    return lambda: library.encode_ordinary_batch(oracle.normalized(texts), num_threads=1)


def measure(name, texts, lines, rounds):
    with tempfile.TemporaryDirectory() as root:
        for other in {name, "qwen1_5-json"}:
            make_folder(pathlib.Path(root), *other.split("-"), SHARED / "tokenizers")
        folder = pathlib.Path(root) / name
        oracle = ORACLES[name](folder)
        command = [ROOT / "build/release/bin/ingot", "tokenize", "--json", "--model", folder, *oracle.flags]
        run = lambda text: subprocess.run(command, input=text, stdout=subprocess.DEVNULL, check=True)
        call = library_call(oracle, texts)
        pairs = [(seconds(lambda: run(lines)) - seconds(lambda: run(b'"x"\n')), seconds(call)) for _ in range(rounds)]
    return [statistics.median(side) for side in zip(*pairs)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    texts = read_real_texts(SHARED / "data")
    lines = "".join(json.dumps(text) + "\n" for text in texts).encode()
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts)} strings, {megabytes:.1f} MB\n{'files':18}{'Ingot MB/s':>12}{'library MB/s':>14}{'ratio':>8}")
    for name in ORACLES:
        ours, theirs = measure(name, texts, lines, arguments.rounds)
        print(f"{name:18}{megabytes / ours:12.1f}{megabytes / theirs:14.1f}{theirs / ours:8.1f}", flush=True)


if __name__ == "__main__":
    main()
