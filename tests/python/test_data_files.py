"""Files as they come: packings, encodings, folders and column types, each beside its writer."""

import bz2
import datetime
import decimal
import gzip
import json
import lzma
import os
import random
import uuid

import pyarrow
import pyarrow.parquet
import pytest
from conftest import INGOT, LONG, ingot, peak_memory, write_config

LINES = "".join(json.dumps({"text": f"line {i} 树 😀", "n": i}, ensure_ascii=False) + "\n" for i in range(200))
ROWS = [json.loads(line) for line in LINES.splitlines()]


def lz4(data):
    return pyarrow.compress(data, codec="lz4", asbytes=True)


def zstd(data):
    return pyarrow.compress(data, codec="zstd", asbytes=True)


PACKINGS = {".gz": gzip.compress, ".gzip": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".lz4": lz4, ".zst": zstd, ".zstd": zstd}


def rows_of(file, limit=100000):
    return [json.loads(line) for line in ingot("inspect", "--raw", file, "--limit", limit).stdout.splitlines()]


@pytest.mark.parametrize("ending", PACKINGS)
def test_packed_files_are_read_and_their_truncation_is_one_line(tmp_path, ending):
    pack = PACKINGS[ending]
    data = LINES.encode()
    file = tmp_path / f"a.jsonl{ending}"
    file.write_bytes(pack(data[:5000]) + pack(data[5000:]))  # two streams behind one another
    assert rows_of(file) == ROWS
    packed = pack(data)
    for size in (0, 1, 5, len(packed) // 2, len(packed) - 1):
        file.write_bytes(packed[:size])
        result = ingot("inspect", "--raw", file, "--limit", 1000, check=False)
        assert result.returncode == 3 and str(file) in result.stderr and len(result.stderr.strip().splitlines()) == 1, (size, result.stderr)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, encoding, ends):
    jsonl, csv = tmp_path / "a.jsonl", tmp_path / "a.csv"
    jsonl.write_bytes(LINES.replace("\n", ends).encode(encoding))
    assert rows_of(jsonl) == ROWS
    csv.write_bytes(ends.join(["id,text", "1,树 😀", '2,"a, b"', ""]).encode(encoding))
    assert rows_of(csv) == [{"id": "1", "text": "树 😀"}, {"id": "2", "text": "a, b"}]


def test_half_a_surrogate_pair_is_not_utf8(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes("{\"text\":\"a\ud83d\"}\n".encode("utf-16-le", "surrogatepass"))
    result = ingot("inspect", "--raw", file, check=False)
    assert result.returncode == 3 and "UTF-8" in result.stderr


def test_latin_1_is_a_rows_problem(tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes("text\nné\n".encode("latin-1"))
    assert "invalid UTF-8" in ingot("inspect", "--raw", file, check=False).stderr


def test_every_entry_of_a_folder_is_read_or_named(tmp_path):
    data, other = tmp_path / "data", tmp_path / "other"
    (data / "sub").mkdir(parents=True)
    other.mkdir()
    line = '{"text":"once upon a time"}\n'
    (data / "a.json.bz2").write_bytes(bz2.compress(line.encode()))
    (data / "sub/part-00000").write_text(line)
    (data / "sub/part-00001.gz").write_bytes(gzip.compress(line.encode()))
    (data / "sub/part-00002").write_text("plain words\n")
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a b c"]}), data / "sub/part-00003")
    (other / "c.jsonl.xz").write_bytes(lzma.compress(line.encode()))
    os.symlink(other, data / "link")
    os.symlink(data, other / "back")  # a loop
    os.symlink(tmp_path / "nowhere.jsonl", data / "dangling.jsonl")
    (data / "notes.docx").write_text("x")
    (data / "_SUCCESS").write_text("")
    (data / ".hidden.jsonl").write_text(line)
    result = ingot("preprocess", write_config(tmp_path, dataset=str(data)))
    ledger = json.loads((tmp_path / "run/data/train_text_document.ledger.json").read_text())
    assert ledger["documents"] == ledger["records"] == 6
    passed = {os.path.relpath(path, data) for path in ledger["passed_over"]}
    assert passed == {"notes.docx", "_SUCCESS", ".hidden.jsonl", "dangling.jsonl", "link/back"}
    assert "passed over: 5 entries" in result.stderr and "notes.docx" in result.stderr


def test_one_bad_document_leaves_the_others(tmp_path):
    file = tmp_path / "a.jsonl"
    nest = '{"text":"a","x":' + "[" * 100_000 + "]" * 100_000 + "}"
    lines = ['{"text":"good"}', nest, '{"text":', "[1]", "3", '{"text":null}', '{"text":"\\ud800"}', '{"text":"good too"}']
    file.write_text("\n".join(lines) + "\n")
    ingot("preprocess", write_config(tmp_path, dataset=str(file)))
    ledger = json.loads((tmp_path / "run/data/train_text_document.ledger.json").read_text())
    assert (ledger["records"], ledger["documents"]) == (8, 2)
    assert sum(entry["records"] for entry in ledger["skipped"].values()) == 6


NESTS = ['{"messages": ' + "[" * 100_000 + "]" * 100_000 + "}",
         '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "x": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}",
         '{"messages": ' + "[" * 100_000]


@pytest.mark.parametrize("nest", NESTS, ids=["whole", "beside", "open"])
def test_a_nest_is_one_records_fault_in_stage_sft(tmp_path, nest):
    good = json.dumps({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})
    (tmp_path / "a.jsonl").write_text("\n".join([good, nest, good, good]) + "\n")
    ingot("train", write_config(tmp_path, stage="sft", template="default", dataset=str(tmp_path / "a.jsonl"), max_steps=1))
    ledger = json.loads((tmp_path / "run/data/train_1.ledger.json").read_text())
    assert (ledger["records"], ledger["samples"]) == (4, 3)
    assert [entry["samples"] for entry in ledger["skipped"].values()] == [1]


@pytest.mark.parametrize("stage, good, head", [
    ("pt", {"text": "good words to train on " * 9}, '{"text": "'),
    ("sft", {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}, '{"messages": [{"role": "user", "content": "')])
def test_a_line_of_a_gigabyte_is_one_records_fault(tmp_path, stage, good, head):
    """With ./test --long; else of 300 MB, which is above the largest record as well."""
    with open(tmp_path / "a.jsonl", "w", encoding="utf-8") as file:
        file.write(json.dumps(good) + "\n" + head)
        for _ in range(1024 if LONG else 300):
            file.write("words " * (1_000_000 // 6))
        file.write("\n" + json.dumps(good) + "\n")
    command = [INGOT, "preprocess", write_config(tmp_path, stage=stage, dataset=str(tmp_path / "a.jsonl"), **({"template": "default"} if stage == "sft" else {}))]
    _, memory = peak_memory(*command)
    assert memory < 2000
    ledger = json.loads(next((tmp_path / "run/data").glob("*.ledger.json")).read_text())
    assert ledger["records"] == 3 and len(ledger["skipped"]) == 1, ledger
    (tmp_path / "a.jsonl").unlink()


def plain(value):
    """A Python value as JSON would say it."""
    if isinstance(value, (bytes, uuid.UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return str(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value


TYPES = {
    "list_view": (pyarrow.list_view(pyarrow.int32()), [[1, 2], None, [], [3]]),
    "large_list_view": (pyarrow.large_list_view(pyarrow.string()), [["a"], None, ["b", "c"]]),
    "large_list": (pyarrow.large_list(pyarrow.int64()), [[2**62], None]),
    "fixed_size_list": (pyarrow.list_(pyarrow.int8(), 2), [[1, 2], None]),
    "struct": (pyarrow.struct([("a", pyarrow.int64()), ("b", pyarrow.large_string())]), [{"a": 1, "b": "x"}, None]),
    "string_view": (pyarrow.string_view(), ["a long string that is not kept inside", "b", None]),
    "uint64": (pyarrow.uint64(), [2**64 - 1, 0, None]),
    "date32": (pyarrow.date32(), [datetime.date(2024, 2, 29), None]),
    "time64": (pyarrow.time64("us"), [datetime.time(1, 2, 3), None]),
    "timestamp": (pyarrow.timestamp("s"), [datetime.datetime(2024, 2, 29, 1, 2, 3), None]),
    "bool": (pyarrow.bool_(), [True, False, None]),
    "null": (pyarrow.null(), [None, None]),
    "float16": (pyarrow.float16(), [0.5, None]),
}


@pytest.mark.parametrize("name", TYPES)
def test_arrow_types_read_as_json_would_say_them(tmp_path, name):
    kind, values = TYPES[name]
    table = pyarrow.table({"x": pyarrow.array(values, kind), "text": ["t"] * len(values)})
    file = tmp_path / "a.arrow"
    with pyarrow.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    assert [row["x"] for row in rows_of(file)] == [plain(value) for value in values]
    if name.endswith("view") and name != "string_view":
        return  # Parquet has no such type
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert [row["x"] for row in rows_of(tmp_path / "a.parquet")] == [plain(value) for value in values]


SCALARS = {
    pyarrow.int8(): lambda r: r.randint(-128, 127), pyarrow.uint64(): lambda r: r.getrandbits(64), pyarrow.int64(): lambda r: r.getrandbits(63) - 2**62,
    pyarrow.bool_(): lambda r: r.random() < 0.5, pyarrow.float64(): lambda r: r.uniform(-1, 1) * 10.0 ** r.randint(-300, 300),
    pyarrow.float32(): lambda r: r.randint(-999, 999) / 8, pyarrow.string(): lambda r: "".join(r.choices('ab"\\\n\t é树😀\x00\x7f', k=r.randint(0, 9))),
    pyarrow.large_string(): lambda r: "x" * r.randint(0, 40), pyarrow.string_view(): lambda r: "y" * r.randint(0, 40),
    pyarrow.decimal128(20, 4): lambda r: decimal.Decimal(r.randrange(10**19)).scaleb(-4),
    pyarrow.date32(): lambda r: datetime.date.fromordinal(r.randint(1, 3_000_000)),
}


def random_column(r, depth=0):
    """A random type and what makes its values, a tenth of them null."""
    def perhaps(make):
        return lambda r: None if r.random() < 0.1 else make(r)
    if depth == 3 or r.random() < 0.4:
        kind = r.choice(list(SCALARS))
        return kind, perhaps(SCALARS[kind])
    if r.random() < 0.6:
        kind, make = random_column(r, depth + 1)
        wrap = r.choice([pyarrow.list_, pyarrow.large_list, pyarrow.list_view, pyarrow.large_list_view])
        return wrap(kind), perhaps(lambda r: [make(r) for _ in range(r.randint(0, 4))])
    fields = {f"f{i}": random_column(r, depth + 1) for i in range(r.randint(1, 3))}
    return (pyarrow.struct([(name, kind) for name, (kind, _) in fields.items()]),
            perhaps(lambda r: {name: make(r) for name, (_, make) in fields.items()}))


def is_same(found, wanted):
    """Whether JSON with its numbers as text says what a Python value is."""
    if isinstance(wanted, bool) or wanted is None or isinstance(wanted, str):
        return type(found) is type(wanted) and found == wanted and not isinstance(found, Number)
    if isinstance(wanted, (int, float, decimal.Decimal)):
        return isinstance(found, Number) and type(wanted)(found) == wanted
    if isinstance(wanted, datetime.date):
        return found == str(wanted)
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(is_same, found, wanted))
    return isinstance(found, dict) and list(found) == list(wanted) and all(is_same(found[name], value) for name, value in wanted.items())


class Number(str):
    """A JSON number as it is written."""


@pytest.mark.parametrize("seed", range(200 if LONG else 12))
def test_random_tables_read_as_pyarrow_reads_them(tmp_path, seed):
    r = random.Random(seed)
    columns = {f"c{i}": random_column(r) for i in range(r.randint(1, 6))}
    rows = [{name: make(r) for name, (_, make) in columns.items()} for _ in range(r.randint(1, 60))]
    table = pyarrow.Table.from_pylist(rows, pyarrow.schema([(name, kind) for name, (kind, _) in columns.items()]))
    rows = table.to_pylist()
    with pyarrow.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=r.randint(1, 30))
    files = [tmp_path / "a.arrow"]
    try:
        pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=r.randint(1, 30))
        files.append(tmp_path / "a.parquet")
    except pyarrow.ArrowNotImplementedError:
        assert "view" in str(table.schema)  # Parquet has no such type
    for file in files:
        lines = ingot("inspect", "--raw", file, "--limit", 1000).stdout.splitlines()
        found = [json.loads(line, parse_int=Number, parse_float=Number) for line in lines]
        assert len(found) == len(rows)
        for one, other in zip(found, rows):
            assert is_same(one, other), (file, one, other)


def test_encoded_and_extension_columns(tmp_path):
    runs = pyarrow.RunEndEncodedArray.from_arrays(pyarrow.array([2, 5], pyarrow.int32()), pyarrow.array(["a", "b"]))
    union = pyarrow.UnionArray.from_dense(pyarrow.array([0, 1, 0, 1, 1], pyarrow.int8()), pyarrow.array([0, 0, 1, 1, 2], pyarrow.int32()),
                                          [pyarrow.array([1, 2]), pyarrow.array(["x", "y", "z"])])
    documents = pyarrow.ExtensionArray.from_storage(pyarrow.json_(), pyarrow.array(
        ['{"a": [1, 18446744073709551616]}', "3", '"t"', "null", None]))
    ids = [uuid.UUID(int=i) for i in range(5)]
    columns = {"runs": runs, "union": union, "json": documents,
               "uuid": pyarrow.ExtensionArray.from_storage(pyarrow.uuid(), pyarrow.array([i.bytes for i in ids], pyarrow.binary(16))),
               "dictionary": pyarrow.array(["p", "q", "p", None, "q"]).dictionary_encode()}
    table = pyarrow.table(columns)
    with pyarrow.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    rows = rows_of(tmp_path / "a.arrow")
    assert [row["runs"] for row in rows] == ["a", "a", "b", "b", "b"]
    assert [row["union"] for row in rows] == [1, "x", 2, "y", "z"]
    assert [row["json"] for row in rows] == [{"a": [1, 18446744073709551616]}, 3, "t", None, None]
    assert [row["uuid"] for row in rows] == [str(i) for i in ids]
    assert [row["dictionary"] for row in rows] == ["p", "q", "p", None, "q"]


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_stage_pt_reads_a_text_that_is_stored_as_json(tmp_path, ending):
    """The text that each says, not its quotes and escapes; what is no text is named."""
    stored = ['"hello \\n world"', '"b"', "null", None, '{"a": 1}', "3", "no json"]
    table = pyarrow.table({"text": pyarrow.ExtensionArray.from_storage(pyarrow.json_(), pyarrow.array(stored))})
    if ending == "parquet":
        pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    else:
        with pyarrow.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
            writer.write_table(table)
    plain = tmp_path / "plain.jsonl"
    plain.write_text("".join(json.dumps({"text": text}) + "\n" for text in ["hello \n world", "b", "no json"]))
    shards = []
    for name, data in [("stored", tmp_path / f"a.{ending}"), ("plain", plain)]:
        (tmp_path / name).mkdir()
        ingot("preprocess", write_config(tmp_path / name, dataset=str(data), val_size=0))
        shards.append(next((tmp_path / name / "run/data").glob("*.bin")).read_bytes())
    assert shards[0] == shards[1] and len(shards[0]) > 0


@pytest.mark.parametrize("digits", [9, 18, 38, 76])
def test_decimals_keep_their_digits(tmp_path, digits):
    random.seed(digits)
    kind = pyarrow.decimal256(digits, 3) if digits > 38 else pyarrow.decimal128(digits, 3)
    with decimal.localcontext(prec=90):
        values = [decimal.Decimal(random.randrange(10**digits)).scaleb(-3) for _ in range(20)]
        pyarrow.parquet.write_table(pyarrow.table({"x": pyarrow.array(values, kind), "text": ["t"] * 20}), tmp_path / "a.parquet")
    printed = ingot("inspect", "--raw", tmp_path / "a.parquet", "--limit", 20).stdout
    assert [line.split(",")[0].removeprefix('{"x":') for line in printed.splitlines()] == [f"{value:f}" for value in values]


def sft(tmp_path, shared, name, template="alpaca", **keys):
    """The ledger and the shown samples of a file of shared/faults."""
    config = write_config(tmp_path, stage="sft", dataset=str(shared / "faults" / name), template=template, cutoff_len=512, **keys)
    ingot("preprocess", config)
    return json.loads((tmp_path / "run/data/train_1.ledger.json").read_text())


def test_big_numbers_in_unused_columns_cost_no_record(tmp_path, shared):
    ledger = sft(tmp_path, shared, "bigint_alpaca.jsonl")
    assert ledger["samples"] == 6 and ledger["records"] == 7
    assert [(reason, entry["samples"]) for reason, entry in ledger["skipped"].items()] == [("not valid JSON", 1)]


def test_a_column_that_stands_twice_is_refused_in_both_stages(tmp_path, shared):
    for stage in ("pt", "sft"):
        config = write_config(tmp_path, stage=stage, dataset=str(shared / "faults/dup_text.csv"), **({"template": "alpaca"} if stage == "sft" else {}))
        result = ingot("preprocess", config, check=False)
        assert result.returncode == 3 and "columns 1 and 3 are both called text" in result.stderr


def test_lines_that_end_in_carriage_returns(tmp_path, shared):
    ingot("preprocess", write_config(tmp_path, dataset=str(shared / "faults/mac_cr.csv")))
    assert json.loads((tmp_path / "run/data/train_text_document.ledger.json").read_text())["documents"] == 2
