"""Hostile tokenizer files: one line that names the file, exit code 3, and memory of the size of the files."""

import base64
import json
import os
import pathlib
import resource
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("INGOT_BIN", str(ROOT / "build/release/bin/ingot"))
DATA = 3
MEMORY = 1 << 30

BYTES = "".join(f"{base64.b64encode(bytes([byte])).decode()} {byte}\n" for byte in range(256))
PIECE = b"\x0a\x0a\x0a\x01a\x15\x00\x00\x80\xbf\x18\x01"  # ModelProto.pieces: "a", score -1, NORMAL
MODEL = PIECE + b"\x12\x02\x18\x02"  # ModelProto.trainer_spec: model_type BPE


def tokenizer_json(merges=(), **rest):
    vocab = {"a": 0, "b": 1, "ab": 2}
    return json.dumps({"model": {"type": "BPE", "vocab": vocab, "merges": list(merges)}, **rest})


def split(regex):
    return {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": regex}}


def replace(old, new):
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


GOOD_JSON = tokenizer_json(["a b"])
FAULTS = {
    "model without pieces": {"tokenizer.model": b""},
    "model cut in a length": {"tokenizer.model": MODEL + b"\x0a\xff"},
    "model cut in a piece": {"tokenizer.model": MODEL + PIECE[:-3]},
    "length of 2 GiB": {"tokenizer.model": MODEL + b"\x0a\x80\x80\x80\x80\x08abc"},
    "length of 2 to 63": {"tokenizer.model": MODEL + b"\x0a" + b"\xff" * 8 + b"\x7f"},
    "endless number": {"tokenizer.model": b"\x0a" + b"\xff" * 100},
    "group of protobuf": {"tokenizer.model": MODEL + b"\x0b"},
    "piece twice": {"tokenizer.model": MODEL + PIECE},
    "rank twice": {"qwen.tiktoken": BYTES + "YWI= 7\n"},
    "token twice": {"qwen.tiktoken": BYTES + "YQ== 300\n"},
    "rank of 2 to 31": {"qwen.tiktoken": BYTES + "YWI= 2147483648\n"},
    "rank that fills all ids": {"qwen.tiktoken": BYTES + "YWI= 4194303\n"},
    "byte without a token": {"qwen.tiktoken": BYTES.replace("AA== 0\n", "")},
    "no base64": {"qwen.tiktoken": BYTES + "Y\x00\xff= 300\n"},
    "tiktoken cut in a line": {"tokenizer.model": BYTES + "YWI"},
    "json cut": {"tokenizer.json": GOOD_JSON[:-10]},
    "json nested": {"tokenizer.json": '{"model":' * 200_000},
    "normalizers nested": {"tokenizer.json": tokenizer_json(normalizer=json.loads(
        '{"type":"Sequence","normalizers":[' * 100 + '{"type":"NFC"}' + "]}" * 100))},
    "merge of an unknown token": {"tokenizer.json": tokenizer_json(["a c"])},
    "merge to an unknown token": {"tokenizer.json": tokenizer_json(["b a"])},
    "merges.txt of an unknown token": {"vocab.json": '{"a":0,"b":1}', "merges.txt": "#version: 0.2\na b\n"},
    "merges.txt of three tokens": {"vocab.json": '{"a":0,"b":1,"ab":2}', "merges.txt": "a b c\n"},
    "vocab.json of lists": {"vocab.json": "[[1]]", "merges.txt": ""},
    "vocab.json with a large id": {"vocab.json": '{"a":4194304}', "merges.txt": ""},
    "config nested": {"tokenizer.json": GOOD_JSON, "tokenizer_config.json": "[" * 1_000_000},
    "config of another type": {"tokenizer.json": GOOD_JSON, "tokenizer_config.json": '{"added_tokens_decoder":[1]}'},
    "special tokens of another type": {"tokenizer.json": GOOD_JSON, "special_tokens_map.json": '{"eos_token":[1]}'},
    "added token with a taken id": {"tokenizer.model": MODEL, "added_tokens.json": '{"<pad>":0}'},
    "merges left out at random": {"tokenizer.json": GOOD_JSON.replace('"BPE"', '"BPE","dropout":0.1')},
    "special tokens in pieces": {"tokenizer.json": GOOD_JSON, "tokenizer_config.json": '{"split_special_tokens":true}'},
    "added token with a large id": {"tokenizer.json": GOOD_JSON, "added_tokens.json": '{"<pad>":99999999999}'},
    "regex that does not compile": {"tokenizer.json": tokenizer_json(pre_tokenizer=split("(a"))},
    "regex that takes for ever": {"tokenizer.json": tokenizer_json(pre_tokenizer=split("(a+a+)+[bc]"))},
    "normalizers that blow up": {"tokenizer.json": tokenizer_json(normalizer={
        "type": "Sequence", "normalizers": [replace("a", "a" * 1000)] * 5})},
}


@pytest.mark.parametrize("files", FAULTS.values(), ids=FAULTS)
def test_hostile_tokenizer_files_are_refused(files, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode("latin-1"))
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    done = subprocess.run([BINARY, "tokenize", "--model", tmp_path], input="a" * 40 + "\n", capture_output=True, text=True,
                          timeout=60, preexec_fn=limit, check=False)
    assert done.returncode == DATA, done.stderr
    assert done.stderr.count("\n") == 1 and "error:" in done.stderr, done.stderr
    wanted = [*files, "regular expression failed", "the tokenizer's steps make"]
    assert any(text in done.stderr for text in wanted), done.stderr


def test_the_files_that_the_faults_were_put_into_are_good(tmp_path):
    good = {"tokenizer.model": MODEL, "qwen.tiktoken": BYTES.encode(), "tokenizer.json": GOOD_JSON.encode()}
    for name, content in good.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_bytes(content)
        done = subprocess.run([BINARY, "tokenize", "--model", folder], input="ab\n", capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0 and json.loads(done.stdout), (name, done.stderr)
