"""Tokenizer ids and texts equal those of live Hugging Face `tokenizers` and `sentencepiece`."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import unicodedata

import pytest
import sentencepiece
import tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("INGOT_BIN", str(ROOT / "build/release/bin/ingot"))
COMMAND = [BINARY, "tokenize", "--json", "--model"]
SHARED = ROOT.parent / "shared"
JSON_FAMILIES = ["llama2", "llama3", "qwen2_5", "yi", "mistral"]
PIECE_FAMILIES = ["llama2", "yi", "mistral"]
NUM_FUZZED = int(os.environ.get("INGOT_FUZZED_STRINGS", 100_000))

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder ../shared with real tokenizer files is absent")


def run(folder, lines, *flags):
    """One JSON value a line in, one a line out."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([*COMMAND, str(folder), *flags], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n")[:-1]]


def differences(found, wanted, texts):
    assert len(found) == len(wanted) == len(texts)
    return [(t, f, w) for t, f, w in zip(texts, found, wanted) if f != w]


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A folder FAMILY-json and FAMILY-model for each family, with the files of that kind only."""
    root = tmp_path_factory.mktemp("tokenizers")
    for family in JSON_FAMILIES:
        for kind, name in [("json", "tokenizer.json.zst"), ("model", "tokenizer.model")]:
            source = SHARED / "tokenizers" / family
            if not (source / name).exists():
                continue
            folder = root / f"{family}-{kind}"
            folder.mkdir()
            if name.endswith(".zst"):
                subprocess.run(["zstd", "-dq", source / name, "-o", folder / "tokenizer.json"], check=True)
            else:
                shutil.copy(source / name, folder / name)
            for config in ["tokenizer_config.json", "special_tokens_map.json"]:
                if (source / config).exists():
                    shutil.copy(source / config, folder / config)
    return root


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


@pytest.fixture(scope="session")
def real_texts():
    texts = []
    for file in sorted(SHARED.glob("data/*/*")):
        if file.suffix == ".jsonl":
            for line in file.read_text(encoding="utf-8").rstrip("\n").split("\n"):
                texts.extend(strings_of(json.loads(line)))
        elif file.suffix == ".json":
            texts.extend(strings_of(json.loads(file.read_text(encoding="utf-8"))))
        elif file.suffix == ".txt":
            texts.append(file.read_text(encoding="utf-8"))
    assert sum(map(len, texts)) > 5_000_000
    return texts


RANGES = [
    (0x20, 0x7E), (0x20, 0x7E), (0xA0, 0xFF), (0x100, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF),
    (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x3040, 0x30FF),
    (0x4E00, 0x9FFF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFF00, 0xFFEF), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF),
]  # fmt: skip
PIECES = [
    " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u2003", "\u3000", "\u180e", "\u0085", "\ufeff", "\u200d",
    "\u2581", "\u2581\u2581", "'s", "'S", "'\u017f", "'LL", "n't", "123", "1234567", "\u0663\u0664", "\u216b", "\u00bd",
    "e\u0301", "A\u030a", "\u1100\u1161\u11a8", "\u0915\u093c", "\u304b\u3099", "\u0327\u0301", "\u0001", "\u007f",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e8\U0001f1f3", "\u2764\ufe0f", "<s>", "</s>", "<unk>",
    "<0x0A>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|", "|>", "<tool_call>", "\u212b",
    "\ufb01", "\ufffd", "\u2126", "the", " of", "\u4f60\u597d", "\uff0c", "ing", "!!", "://",
]  # fmt: skip


def fuzzed_text(rng):
    """No characters younger than Unicode 14: PCRE2 10.42 has that version, the oracles have later ones."""
    parts = []
    for _ in range(rng.randint(1, 12)):
        if rng.random() < 0.45:
            parts.append(rng.choice(PIECES))
        elif rng.random() < 0.06:
            character = chr(rng.randint(0, 0x10FFFF))
            parts.append(character if unicodedata.category(character) not in ("Cn", "Cs") else "\ufffd")
        else:
            low, high = rng.choice(RANGES)
            parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6))))
    return "".join(parts)


@pytest.fixture(scope="session")
def fuzzed_texts():
    rng = random.Random(20240607)
    return [fuzzed_text(rng) for _ in range(NUM_FUZZED)]


def hf_ids(oracle, texts, special=False):
    return [encoding.ids for encoding in oracle.encode_batch(texts, add_special_tokens=special)]


@pytest.mark.parametrize("family", JSON_FAMILIES)
@pytest.mark.parametrize("texts", ["real_texts", "fuzzed_texts"])
def test_tokenizer_json_equals_hugging_face(family, texts, folders, request):
    texts = request.getfixturevalue(texts)
    folder = folders / f"{family}-json"
    oracle = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    wanted = hf_ids(oracle, texts)
    assert differences(run(folder, texts), wanted, texts) == []
    decoded = oracle.decode_batch(wanted, skip_special_tokens=False)
    assert differences(run(folder, wanted, "--decode"), decoded, wanted) == []


@pytest.mark.parametrize("family", PIECE_FAMILIES)
@pytest.mark.parametrize("texts", ["real_texts", "fuzzed_texts"])
def test_tokenizer_model_equals_sentencepiece(family, texts, folders, request):
    folder = folders / f"{family}-model"
    oracle = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    special = [oracle.id_to_piece(i) for i in range(oracle.vocab_size()) if oracle.is_control(i) or oracle.is_unknown(i)]
    texts = [t for t in request.getfixturevalue(texts) if not any(s in t for s in special)]  # SentencePiece has no such
    wanted = oracle.encode(texts)
    assert differences(run(folder, texts), wanted, texts) == []
    assert differences(run(folder, wanted, "--decode"), oracle.decode(wanted), wanted) == []


@pytest.mark.parametrize("family", JSON_FAMILIES)
def test_special_tokens_around_a_text_equal_hugging_face(family, folders):
    texts = ["", "Hello", "<s>Hello</s>", "\u4f60\u597d"]
    folder = folders / f"{family}-json"
    oracle = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    wanted = hf_ids(oracle, texts, special=True)
    assert run(folder, texts, "--add-special-tokens") == wanted


def test_tiktoken_file_gives_the_ids_of_tokenizer_json(folders, fuzzed_texts):
    texts = fuzzed_texts[:10_000]
    assert run(folders / "llama3-model", texts) == run(folders / "llama3-json", texts)


def test_random_ids_decode_as_hugging_face(folders):
    rng = random.Random(5)
    for family in JSON_FAMILIES:
        folder = folders / f"{family}-json"
        oracle = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        size = oracle.get_vocab_size()
        ids = [[rng.randrange(rng.choice([300, size])) for _ in range(rng.randint(0, 20))] for _ in range(2_000)]
        wanted = oracle.decode_batch(ids, skip_special_tokens=False)
        assert differences(run(folder, ids, "--decode"), wanted, ids) == [], family


def test_another_familys_ids_are_told_apart(folders):
    """The negative control: the comparison fails where it has to."""
    texts = ["Hello world 12345", "\u4f60\u597d"]
    oracle = tokenizers.Tokenizer.from_file(str(folders / "llama3-json" / "tokenizer.json"))
    assert len(differences(run(folders / "qwen2_5-json", texts), hf_ids(oracle, texts), texts)) == 2
