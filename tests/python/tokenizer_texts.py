"""Texts that tokenizers are compared on: all strings of the real data, and seeded random ones."""

import json
import random
import unicodedata


def strings_of(value):
    """Every string of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings_of(item)


def read_real_texts(folder):
    """Every string of every text and JSON file of data/pretrain and data/sft; the parquet files hold the same."""
    texts = []
    for file in sorted(folder.glob("*/*")):
        if file.suffix == ".jsonl":
            for line in file.read_text(encoding="utf-8").rstrip("\n").split("\n"):
                texts.extend(strings_of(json.loads(line)))
        elif file.suffix == ".json":
            texts.extend(strings_of(json.loads(file.read_text(encoding="utf-8"))))
        elif file.suffix == ".txt":
            texts.append(file.read_text(encoding="utf-8"))
    assert sum(map(len, texts)) > 8_000_000
    return texts


RANGES = [
    (0x20, 0x7E), (0x20, 0x7E), (0xA0, 0xFF), (0x100, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF),
    (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x3040, 0x30FF),
    (0x4E00, 0x9FFF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFF00, 0xFFEF), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF),
    (0x00, 0x1F), (0x300, 0x36F), (0x30, 0x39), (0x2000, 0x206F),
]  # fmt: skip
PIECES = [
    " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u2003", "\u3000", "\u180e", "\u0085", "\ufeff", "\u200d",
    "\u2581", "\u2581\u2581", "'s", "'S", "'\u017f", "'LL", "n't", "123", "1234567", "\u0663\u0664", "\u216b", "\u00bd",
    "e\u0301", "A\u030a", "\u1100\u1161\u11a8", "\u0915\u093c", "\u304b\u3099", "\u0327\u0301", "\u0001", "\u007f",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e8\U0001f1f3", "\u2764\ufe0f", "\u07fd\u0301", "\u212b",
    "\ufb01", "\ufffd", "\u2126", "the", " of", "\u4f60\u597d", "\uff0c", "ing", "!!", "://", "\u0000", "\u2028", "\u0338",
]  # fmt: skip
SPECIAL = [
    "<s>", "</s>", "<unk>", "<0x0A>", "<|im_start|>", "<|im_end|>", "<|im_sep|>", "<|endoftext|>", "<|eot_id|>", "sop",
    "<tool_call>", "[gMASK]", "[MASK]", "<sop>", "<|user|>", "<|assistant|>", "<|extra_1|>", "<|extra_10|>", "eop",
    "<|begin_of_text|>", "<|start_header_id|>", "<reserved_106>", "<reserved_1>", "<|startoftext|>", "<h1>", "</tool_call>",
]  # fmt: skip


def near_miss(rng, text):
    """The text with one character gone, doubled or in the other case, or a mark behind it."""
    at = rng.randrange(len(text))
    changed = ["", text[at] * 2, text[at].swapcase(), text[at] + "\u0338"]
    return text[:at] + rng.choice(changed) + text[at + 1 :]


def random_part(rng):
    """No character younger than Unicode 14 but symbols: PCRE2 10.42 has that version, the oracles have later ones."""
    kind = rng.random()
    if kind < 0.35:
        return rng.choice(PIECES)
    if kind < 0.45:
        special = rng.choice(SPECIAL)
        return special if rng.random() < 0.6 else near_miss(rng, special)
    if kind < 0.50:
        character = chr(rng.randint(0, 0x10FFFF))
        return character if unicodedata.category(character) not in ("Cn", "Cs") else "\ufffd"
    if kind < 0.52:
        return rng.choice(PIECES + ["a", "=", "7", "\u4f60", "\U0001f999"]) * rng.randint(10, 150)
    low, high = rng.choice(RANGES)
    return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6)))


def fuzzed_texts(seed, count):
    """`count` texts of up to twelve parts each, always the same for a seed."""
    rng = random.Random(seed)
    parts = [random_part(rng) for _ in range(20_000)]
    return ["".join(rng.choices(parts, k=rng.randint(1, 12))) for _ in range(count)]


def broken_texts(seed, count):
    """Lines of bytes that are no UTF-8: characters cut, bytes thrown in, surrogates and overlong forms."""
    rng = random.Random(seed)
    bad = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe4\xbd", b"\xf0\x9f\xa6", b"\x80", b"\xc3"]
    lines = []
    for text in fuzzed_texts(seed, count):
        line = text.replace("\n", "").encode()
        for _ in range(rng.randint(1, 4)):
            at = rng.randint(0, len(line))
            line = line[:at] + rng.choice(bad) + line[at + rng.randint(0, 2) :]
        lines.append(line)
    return lines
