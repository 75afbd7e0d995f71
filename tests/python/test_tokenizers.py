"""Token ids and texts equal those of live tokenizers, sentencepiece and tiktoken, for all families."""

import functools
import itertools
import json
import os
import pathlib
import random
import struct
import subprocess

import pytest

from conftest import LONG
from tokenizer_oracles import CHATGLM3_SPECIAL, ORACLES, SINGLE_DIGITS, HuggingFace, Tiktoken, make_folder
from tokenizer_texts import broken_texts, fuzzed_texts, read_real_texts

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("INGOT_BIN", str(ROOT / "build/release/bin/ingot"))
SHARED = ROOT.parent / "shared"
NUM_FUZZED = (1_000_000 if LONG else 150_000) // len(ORACLES)
SAME_VOCABULARY = ["qwen1_5-json", "qwen2-vocab"]  # one pass of the oracle serves both
REAL = [SAME_VOCABULARY, *([name] for name in ORACLES if name not in SAME_VOCABULARY)]
HF = [name for name in ORACLES if name.endswith("-json")]

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder ../shared with real tokenizer files is absent")


def json_lines(values):
    return "".join(json.dumps(value) + "\n" for value in values)


def run(folder, lines, *flags):
    """One JSON value a line in, one a line out; `lines` are values, or text that is lines already."""
    text = lines if isinstance(lines, str) else json_lines(lines)
    done = subprocess.run([BINARY, "tokenize", "--json", "--model", str(folder), *flags], input=text, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n")[:-1]]


def differences(found, wanted, texts):
    """The first few of the texts for which the two differ."""
    assert len(found) == len(wanted) == len(texts)
    return [(t, f, w) for t, f, w in zip(texts, found, wanted) if f != w][:3]


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("tokenizers")
    for name in ORACLES:
        make_folder(root, *name.split("-"), SHARED / "tokenizers")
    return root


@pytest.fixture(scope="session")
def oracles(folders):
    return functools.cache(lambda name: ORACLES[name](folders / name))


@pytest.fixture(scope="session")
def real():
    """The texts, every third without --long, and the same as JSON lines."""
    texts = read_real_texts(SHARED / "data")[::1 if LONG else 3]
    return texts, json_lines(texts)


@pytest.mark.parametrize("names", REAL, ids=" ".join)
def test_real_texts_equal_the_oracle(names, folders, oracles, real):
    texts, lines = real
    oracle = oracles(names[0])
    wanted = oracle.encode(texts)
    decoded = oracle.decode(wanted)
    assert sum(map(str.__eq__, decoded, texts)) > 0.99 * len(texts)  # most round trips lose nothing
    ids = json_lines(wanted)
    for name in names:
        assert differences(run(folders / name, lines, *oracle.flags), wanted, texts) == [], name
        assert differences(run(folders / name, ids, "--decode"), decoded, wanted) == [], name


@pytest.mark.parametrize("name", ORACLES)
def test_fuzzed_texts_equal_the_oracle(name, folders, oracles):
    texts = fuzzed_texts(name, NUM_FUZZED)
    oracle, folder = oracles(name), folders / name
    wanted = oracle.encode(texts)
    assert differences(run(folder, texts, *oracle.flags), wanted, texts) == []
    assert differences(run(folder, wanted, "--decode"), oracle.decode(wanted), wanted) == []


@pytest.mark.parametrize("name", ORACLES)
def test_random_ids_decode_as_the_oracle_does(name, folders, oracles):
    oracle, rng = oracles(name), random.Random(name)
    ids, start = oracle.ids, oracle.ids[:300]
    rows = [rng.choices(rng.choice([start, ids]), k=rng.randint(1, 20)) for _ in range(5_000)]
    assert differences(run(folders / name, rows, "--decode"), oracle.decode(rows), rows) == []


@pytest.mark.parametrize("name", ["llama2-json", "qwen2_5-json", "llama2-model", "chatglm3-model", "glm4-model",
                                  "qwen-tiktoken"])
def test_broken_utf8_is_read_as_replacement_characters(name, folders, oracles):
    lines = broken_texts(name, 3_000)
    oracle = oracles(name)
    done = subprocess.run([BINARY, "tokenize", "--model", folders / name, *oracle.flags], input=b"\n".join(lines) + b"\n",
                          capture_output=True, check=True)
    found = [json.loads(line) for line in done.stdout.split(b"\n")[:-1]]
    texts = [line.decode("utf-8", "replace") for line in lines]
    assert differences(found, oracle.encode(texts), texts) == []


@pytest.mark.parametrize("name", HF)
def test_special_tokens_around_a_text_equal_hugging_face(name, folders, oracles):
    texts = ["", "Hello", "<s>Hello</s>", "\u4f60\u597d"]
    assert run(folders / name, texts, "--add-special-tokens") == oracles(name).encode(texts, special=True)


@pytest.mark.parametrize("name", ["llama3", "mistral"])
def test_tokenizer_model_gives_the_ids_of_tokenizer_json(name, folders):
    """Special tokens in the text included."""
    texts = fuzzed_texts(f"both files of {name}", 10_000)
    assert differences(run(folders / f"{name}-model", texts), run(folders / f"{name}-json", texts), texts) == []


def test_mixtral_has_the_files_of_mistral(tmp_path, folders):
    for kind, name in [("json", "tokenizer.json"), ("model", "tokenizer.model")]:
        folder = make_folder(tmp_path, "mixtral", kind, SHARED / "tokenizers")
        assert (folder / name).read_bytes() == (folders / f"mistral-{kind}" / name).read_bytes()


@pytest.mark.parametrize("name", ["glm4-model", "qwen-tiktoken"])
def test_special_tokens_in_a_text_equal_tiktoken(name, folders, oracles):
    texts = fuzzed_texts(f"special tokens of {name}", 10_000)
    wanted = oracles(name).encode_with_special(texts)
    assert wanted != oracles(name).encode(texts)
    assert differences(run(folders / name, texts), wanted, texts) == []


def test_control_pieces_in_a_text_are_tokens_for_baichuan2_and_text_for_chatglm3(folders, oracles):
    texts = fuzzed_texts("control pieces", 10_000)
    for name, encode in [("baichuan2-model", oracles("baichuan2-model").encode_around_control),
                         ("chatglm3-model", oracles("chatglm3-model").encode)]:
        assert differences(run(folders / name, texts), encode(texts), texts) == [], name


def test_chatglm3_decodes_every_text_between_special_tokens_on_its_own(folders, oracles):
    """As its authors' SPTokenizer.decode does."""
    library, rng = oracles("chatglm3-model").library, random.Random(3)
    first = library.get_piece_size()
    special = dict(enumerate(CHATGLM3_SPECIAL, first))
    rows = [rng.choices([rng.randrange(3, first), 30910, 13, *special], k=12) for _ in range(3_000)]
    wanted = []
    for row in rows:
        parts = itertools.groupby(row, key=lambda id: special.get(id, ""))
        wanted.append("".join(text * len(list(run)) if text else library.decode(list(run)) for text, run in parts))
    assert differences(run(folders / "chatglm3-model", rows, "--decode"), wanted, rows) == []


def test_smollm2_as_converted_equals_hugging_face(smollm2, real):
    texts = real[0][:3_000] + fuzzed_texts("smollm2", 20_000)
    oracle = HuggingFace(smollm2 / "tokenizer.json")
    wanted = oracle.encode(texts)
    assert differences(run(smollm2, texts), wanted, texts) == []
    assert differences(run(smollm2, wanted, "--decode"), oracle.decode(wanted), wanted) == []


# Negative controls: the comparison fails where it has to.


@pytest.mark.parametrize("name, file, pattern, different", [
    ("qwen-tiktoken", "qwen.tiktoken", SINGLE_DIGITS, "e\u0301"),        # not normalized
    ("llama3-model", "tokenizer.model", SINGLE_DIGITS, "year 2024"),     # not in groups of three
], ids=["normalization", "digits"])
def test_tiktoken_with_another_split_or_no_normalization_differs(name, file, pattern, different, folders):
    texts = ["plain text", different]
    wanted = Tiktoken(folders / name / file, pattern).encode(texts)
    assert [text for text, _, _ in differences(run(folders / name, texts, "--ordinary"), wanted, texts)] == [different]


def with_scores_by_id(model):
    """The SentencePiece model with scores that fall with the id: the order of merges of another vocabulary."""
    at, id, out = 0, 0, bytearray(model)
    while model[at] == 0x0A:  # ModelProto.pieces; a piece shorter than 128 bytes has its length in one
        score = at + 4 + model[at + 3]
        assert model[at + 1] < 128 and model[at + 2] == 0x0A and model[score] == 0x15
        out[score + 1 : score + 5] = struct.pack("<f", -id)
        at, id = at + 2 + model[at + 1], id + 1
    return bytes(out)


def without_byte_fallback(model):
    """The SentencePiece model with TrainerSpec.byte_fallback (field 35) off."""
    return model.replace(b"\x98\x02\x01", b"\x98\x02\x00")


@pytest.mark.parametrize("change, different", [(with_scores_by_id, " two"), (without_byte_fallback, "\U0001f999")])
def test_llama2_with_another_model_file_differs(change, different, folders, oracles, tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(change((folders / "llama2-model" / "tokenizer.model").read_bytes()))
    texts = ["plain text", different]
    wanted = oracles("llama2-model").encode(texts)
    assert [text for text, _, _ in differences(run(tmp_path, texts), wanted, texts)] == [different]


def test_another_familys_ids_are_told_apart(folders, oracles):
    texts = ["Hello world 12345", "\u4f60\u597d"]
    assert len(differences(run(folders / "qwen2_5-json", texts), oracles("llama3-json").encode(texts), texts)) == 2
