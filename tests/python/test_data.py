"""Raw files and shards against other readers: DuckDB's rows of Apache's Parquet files, pyarrow, NumPy."""

import gzip
import json
import os
import random
import struct
import subprocess
import sys
import time

import numpy
import pyarrow
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest
from conftest import INGOT, STORIES, ingot, peak_memory, write_config

RAW = (INGOT, "inspect", "--raw")  # prints one JSON object a row; takes --limit N
DATA_ERROR = 3

# What Ingot refuses, and a part of the line that says why. DuckDB reads these three without checking levels and page
# checksums, so it has rows for them.
DAMAGED = {
    "bad.ARROW-GH-45185": "repetition level",
    "bad.ARROW-RS-GH-6229-LEVELS": "levels do not match",
    "rle-dict-uncompressed-corrupt-checksum": "CRC checksum verification failed",
}
# One string of 1 GiB in each of two rows: sound, but more than the reader's memory limit (DuckDB has no rows either).
TOO_LARGE = {"large_string_map.brotli": "need more than 1024 MiB of memory"}
# Files that DuckDB refuses and Arrow reads: the rows are those that the README of parquet-testing describes.
OWN_ROWS = {
    "hadoop_lz4_compressed": [
        {"c0": 1593604800, "c1": "abc", "v11": 42.0}, {"c0": 1593604800, "c1": "def", "v11": 7.7},
        {"c0": 1593604801, "c1": "abc", "v11": 42.125}, {"c0": 1593604801, "c1": "def", "v11": 7.7}],
    "map_no_value": None,  # keys without values; compared with pyarrow below
}


# ---- Megatron shards, read by what FORMATS section 4 says alone ----

TYPES = {1: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 8: "<u2"}


def read_shards(prefix):
    """The documents of PREFIX.bin and PREFIX.idx as lists of ids."""
    index = open(f"{prefix}.idx", "rb").read()
    assert index[:9] == b"MMIDIDX\0\0"
    version, code, sequences, borders = struct.unpack_from("<QBQQ", index, 9)
    assert version == 1 and borders == sequences + 1
    lengths = numpy.frombuffer(index, "<i4", sequences, 34)
    offsets = numpy.frombuffer(index, "<i8", sequences, 34 + 4 * sequences)
    documents = numpy.frombuffer(index, "<i8", borders, 34 + 12 * sequences)
    assert len(index) == 34 + 12 * sequences + 8 * borders
    assert list(documents) == list(range(borders))
    tokens = open(f"{prefix}.bin", "rb").read()
    return [numpy.frombuffer(tokens, TYPES[code], length, offset).tolist() for length, offset in zip(lengths, offsets)]


def preprocessed(dataset, folder):
    """The documents of a data set with stories260K's tokenizer, and the ledger."""
    folder.mkdir(exist_ok=True)
    ingot("preprocess", write_config(folder, dataset=str(dataset)))
    prefix = folder / "run/data/train_text_document"
    return read_shards(prefix), json.loads((folder / "run/data/train_text_document.ledger.json").read_text())


def text_as_jsonl(texts, folder):
    file = folder / "a.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return file


# ---- raw files ----

def raw(file, limit=40):
    return subprocess.run([*RAW, str(file), "--limit", str(limit)], capture_output=True, text=True, timeout=120,
                          check=False)


def rows_of(file, limit=40):
    result = raw(file, limit)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def same(ours, theirs):
    """Equal values: numbers by value (1 is 1.0, a decimal 1.00 is 1.0), all else exactly, types and key order included.

    The rendering itself is DuckDB's: bytes as text with \\xNN, maps as objects, timestamps as text, NaN as null."""
    if isinstance(theirs, bool) or isinstance(ours, bool) or theirs is None or ours is None:
        return ours is theirs
    if isinstance(theirs, (int, float)) and isinstance(ours, (int, float)):
        return ours == theirs
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return list(ours) == list(theirs) and all(same(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list) and isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


def test_parquet_testing_files_equal_duckdb_or_are_refused(shared):
    folder = shared / "data/parquet-testing"
    files = sorted(folder.glob("*.parquet"))
    assert len(files) == 40
    compared = 0
    for file in files:
        refusal = {**DAMAGED, **TOO_LARGE}.get(file.stem)
        if refusal:
            result = raw(file)
            assert result.returncode == DATA_ERROR, (file.name, result.returncode, result.stderr)
            assert refusal in result.stderr and file.name in result.stderr, result.stderr
            assert len(result.stderr.strip().splitlines()) == 1
            continue
        ours = rows_of(file)
        theirs = [json.loads(line) for line in (folder / "expected" / f"{file.stem}.jsonl").read_text().splitlines()] \
            if file.stem not in OWN_ROWS else OWN_ROWS[file.stem]
        if theirs is not None:
            assert len(ours) == len(theirs), file.name
            for mine, expected in zip(ours, theirs):
                assert same(mine, expected), (file.name, mine, expected)
            compared += 1
    assert compared == 35


def test_comparison_sees_a_difference():
    assert same({"a": [1, None, {"b": 1.5}]}, {"a": [1.0, None, {"b": 1.5}]})
    for other in ({"a": [1, 0, {"b": 1.5}]}, {"a": [1, None, {"b": 1.25}]}, {"a": [1, None]},
                  {"c": [1, None, {"b": 1.5}]}, {"a": ["1", None, {"b": 1.5}]}, {"a": [True, None, {"b": 1.5}]}):
        assert not same({"a": [1, None, {"b": 1.5}]}, other)


def test_map_without_values_equals_pyarrow(shared):
    file = shared / "data/parquet-testing/map_no_value.parquet"
    theirs = []
    for row in pyarrow.parquet.read_table(file).to_pylist():
        theirs.append({name: {str(key): item for key, item in value} if value and isinstance(value[0], tuple) else value
                       for name, value in row.items()})
    assert rows_of(file) == theirs


def test_delta_encoded_files_equal_their_published_csv(shared):
    for name, header in (("delta_byte_array", True), ("delta_encoding_optional_column", True),
                         ("delta_encoding_required_column", True)):
        ours = rows_of(shared / f"data/parquet-testing/{name}.parquet", limit=10**6)
        options = pyarrow.csv.ConvertOptions(strings_can_be_null=True, null_values=[""],
                                             column_types={"c_last_review_date": pyarrow.string()})
        theirs = pyarrow.csv.read_csv(shared / f"data/parquet-testing/{name}_expect.csv", convert_options=options)
        assert len(ours) == theirs.num_rows > 99
        for mine, expected in zip(ours, theirs.to_pylist()):
            for (key, value), wanted in zip(mine.items(), expected.values()):
                assert value == wanted or str(value) == str(wanted), (name, key, value, wanted)


def make_table(rows):
    texts = [None if i % 97 == 5 else f"line {i}\n\"quoted\", é中😀 " + "x" * (i % 300) for i in range(rows)]
    return texts, pyarrow.table({"id": range(rows), "text": texts})


@pytest.mark.parametrize("column_type",
                         ["string", "large_string", "string_view", "binary", "large_binary", "dictionary"])
def test_every_text_type_and_container_gives_the_same_rows(tmp_path, column_type):
    texts, table = make_table(1000)
    kind = pyarrow.dictionary(pyarrow.int32(), pyarrow.string()) if column_type == "dictionary" \
        else getattr(pyarrow, column_type)()
    column = table["text"].dictionary_encode() if column_type == "dictionary" else table["text"].cast(kind)
    table = table.set_column(1, "text", column)
    files = [tmp_path / name for name in ("a.parquet", "a.feather", "a.arrow")]
    pyarrow.parquet.write_table(table, files[0], row_group_size=300, compression="zstd", write_page_checksum=True)
    pyarrow.feather.write_feather(table, str(files[1]), compression="lz4", chunksize=128)
    with pyarrow.ipc.new_stream(files[2], table.schema) as stream:
        stream.write_table(table, max_chunksize=77)
    wanted, _ = preprocessed(text_as_jsonl(texts, tmp_path), tmp_path / "jsonl")
    for file in files:
        if "binary" not in column_type:  # bytes are shown escaped
            assert [row["text"] for row in rows_of(file, 10**6)] == texts, file.name
        documents, ledger = preprocessed(file, tmp_path / file.suffix[1:])
        assert documents == wanted
        assert ledger["skipped"] == {"column text is null": ledger["skipped"]["column text is null"]}
        assert ledger["skipped"]["column text is null"]["records"] == texts.count(None)


def test_column_that_is_missing_or_no_text_is_refused_by_name(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"id": [1], "body": ["a"]}), tmp_path / "a.parquet")
    for key, expected in (("text", "no column text, it has: id, body"), ("id", "column id is int64, wanted text")):
        config = write_config(tmp_path, dataset=str(tmp_path / "a.parquet"), json_keys=[key])
        result = ingot("preprocess", config, check=False)
        assert result.returncode == DATA_ERROR and expected in result.stderr, result.stderr


def test_feather_version_1_is_refused(tmp_path):
    (tmp_path / "a.feather").write_bytes(b"FEA1" + bytes(64) + b"FEA1")
    result = raw(tmp_path / "a.feather")
    assert result.returncode == DATA_ERROR and "Feather version 1" in result.stderr


@pytest.mark.parametrize("kind", ["parquet", "feather", "arrow"])
def test_flipped_and_cut_containers_never_crash(tmp_path, kind):
    """Rows or one line with exit 3, never a signal."""
    table = make_table(200)[1]
    file = tmp_path / f"a.{kind}"
    if kind == "parquet":
        pyarrow.parquet.write_table(table, file, row_group_size=64)
    elif kind == "feather":
        pyarrow.feather.write_feather(table, str(file), compression="zstd")
    else:
        with pyarrow.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
    sound, chance = file.read_bytes(), random.Random(6)
    refused = 0
    for round_ in range(20):
        damaged = bytearray(sound)
        if round_ % 3 == 0:
            damaged = damaged[: chance.randrange(len(damaged))]
        for _ in range(chance.randrange(1, 4)):
            if damaged:
                near_end = len(damaged) - 1 - chance.randrange(min(600, len(damaged)))
                damaged[chance.choice((chance.randrange(len(damaged)), near_end))] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        result = subprocess.run([*RAW, str(file)], capture_output=True, timeout=120, check=False)
        assert result.returncode in (0, DATA_ERROR), (round_, result.returncode, result.stderr[-500:])
        refused += result.returncode == DATA_ERROR
    assert refused > 5


def test_shards_hold_the_ids_of_the_texts(tmp_path):
    chance = random.Random(8)
    texts = ["".join(chance.choices("abcdefgh ,.é\n", k=chance.randrange(1, 400))) for _ in range(300)]
    file = tmp_path / "a.jsonl.gz"
    with gzip.open(file, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    documents, ledger = preprocessed(file, tmp_path / "out")
    assert ledger["records"] == ledger["documents"] == len(texts)
    lines = ingot("tokenize", "--model", STORIES, "--json",
                  text="".join(json.dumps(text) + "\n" for text in texts)).stdout.splitlines()
    ends = {document[-1] for document in documents}
    assert len(ends) == 1, "every document ends with the end-of-document id"
    assert [document[:-1] for document in documents] == [json.loads(line) for line in lines]


# ---- a large file, only when asked for ----

def write_large_jsonl(path, size):
    """About `size` bytes of JSON lines of random words, the same every time."""
    chance = random.Random(1)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randrange(2, 10))) for _ in range(5000)]
    block = "".join(json.dumps({"id": i, "text": " ".join(chance.choices(words, k=chance.randrange(20, 1500)))}) + "\n"
                    for i in range(4000)).encode()
    with open(path, "wb") as out:
        while out.tell() < size:
            out.write(block)


@pytest.mark.skipif(os.environ.get("INGOT_LARGE") != "1", reason="2 GiB of input: set INGOT_LARGE=1 to run it")
def test_two_gib_of_jsonl_take_less_than_one_gib_of_memory(tmp_path):
    file = tmp_path / "large.jsonl"
    write_large_jsonl(file, 2 << 30)
    config = write_config(tmp_path, dataset=str(file))
    begin = time.time()
    peak = peak_memory(INGOT, "preprocess", config)[1]
    seconds = time.time() - begin
    print(f"\n{file.stat().st_size / 2**20 / seconds:.1f} MiB/s, peak {peak:.0f} MiB")
    assert peak < 1024


if __name__ == "__main__":  # test_data.py FILE [GiB] writes the large file
    write_large_jsonl(sys.argv[1], int(float(sys.argv[2] if len(sys.argv) > 2 else 2) * 2**30))
