"""Writes small sound files of every kind that is fuzzed into FOLDER/TARGET, for a fuzzer to start from.

  tests/fuzz/seeds.py FOLDER
"""

import io
import json
import pathlib
import struct
import sys
import zipfile

import gguf
import numpy
import torch
from safetensors.torch import save
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

ROOT = pathlib.Path(__file__).resolve().parents[2]


def safetensors():
    yield save({"a": torch.ones(2, 3), "b": torch.zeros(4, dtype=torch.bfloat16)}, metadata={"format": "pt"})
    yield save({"scalar": torch.tensor(1.0), "none": torch.empty(0, 2)})


def gguf_files(folder):
    for version, kind in enumerate((gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0)):
        file = folder / f"seed.{version}"
        writer = gguf.GGUFWriter(file, "llama")
        writer.add_block_count(1)
        writer.add_array("tokenizer.ggml.tokens", ["<s>", "a", "b"])
        writer.add_array("tokenizer.ggml.scores", [0.0, -1.0, -2.0])
        values = numpy.arange(64, dtype=numpy.float32).reshape(2, 32)
        data = values if kind == gguf.GGMLQuantizationType.F32 else gguf.quants.quantize(values, kind)
        writer.add_tensor("token_embd.weight", data, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def pickles():
    for protocol in (2, 4):
        file = io.BytesIO()
        torch.save({"a": torch.ones(2, 3), "nested": [1, {"b": torch.zeros(4).t()}], "p": torch.nn.Parameter(torch.ones(1))}, file,
                   pickle_protocol=protocol)
        archive = zipfile.ZipFile(file)
        yield archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


def tokenizers():
    vocabulary = {"<s>": 0, "H": 1, "e": 2, "l": 3, "o": 4, "ll": 5, "Ġ": 6, "He": 7}
    byte_level = Tokenizer(models.BPE(vocabulary, [("l", "l"), ("H", "e")]))
    byte_level.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(r"\p{L}+| ?[^\s]+|\s+", "isolated"),
                                                        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    byte_level.decoder = decoders.ByteLevel()
    byte_level.add_special_tokens(["<s>"])
    byte_level.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    yield byte_level.to_str().encode()
    pieces = Tokenizer(models.BPE({"<unk>": 0, "▁": 1, "a": 2, "▁a": 3}, [("▁", "a")], unk_token="<unk>", byte_fallback=True))
    pieces.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    pieces.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    yield pieces.to_str().encode()


def megatron_indices():
    """Three sequences in two documents over 64 ids of 16 bits."""
    lengths, documents = [16, 16, 32], [0, 2, 3]
    pointers = [0, 32, 64]
    yield (b"MMIDIDX\x00\x00" + struct.pack("<QBQQ", 1, 8, len(lengths), len(documents)) + struct.pack("<3i", *lengths)
           + struct.pack("<3q", *pointers) + struct.pack("<3q", *documents))


def chat_records():
    call = {"type": "function", "function": {"name": "f", "arguments": '{"x": 1e5}'}}
    yield from (json.dumps(record).encode() for record in (
        {"instruction": "q", "input": "", "output": "a", "history": [["q", "a"]], "system": "S"},
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a", "weight": 0.5}], "tools": "[]"},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, {"role": "assistant", "content": None, "tool_calls": [call]},
                      {"role": "tool", "content": "1"}, {"role": "assistant", "content": "a", "reasoning_content": "r"}]},
        {"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]},
        {"query": "q", "response": "a", "history": []}, {"question": "q", "answer": "a"}, {"data": ["q", "a"]},
        {"chat": {"turn_1": {"Human": "<|Human|>: q<eoh>", "MOSS": "<|MOSS|>: a<eom>"}}, "num_turns": 1},
        {"conversation": [{"system": "S", "input": "q", "output": "a"}]}, {"kind": "x", "input": "q", "target": "a"}))


def meeting_messages():
    def pack(*texts):
        body = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        return struct.pack("<I", len(body)) + body
    yield pack(b"hello", b"0.1.0", b"f" * 64, b"0" * 64)
    yield pack() + pack(b"set", b"key", b"\0value") + pack(b"", b"")


def main():
    folder = pathlib.Path(sys.argv[1])
    seeds = {"safetensors": safetensors(), "pickle": pickles(), "tokenizer_json": tokenizers(), "megatron_index": megatron_indices(),
             "chat_record": chat_records(), "meeting_message": meeting_messages(), "yaml": (file.read_bytes() for file in sorted((ROOT / "examples").glob("*.yaml")))}
    for name in ("gguf", *seeds):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, files in seeds.items():
        for number, content in enumerate(files):
            (folder / name / f"seed.{number}").write_bytes(content)
    gguf_files(folder / "gguf")


if __name__ == "__main__":
    main()
