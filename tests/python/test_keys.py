"""One table of keys: documents, schema, completion, other trainers' names and hints follow from it."""

import json
import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import time

import jsonschema
import pytest
import yaml
from conftest import INGOT, ROOT, STORIES, ingot, write_config

sys.path.insert(0, str(ROOT / "scripts"))
import write_key_tables  # noqa: E402

# PyYAML reads YAML 1.1, in which 5e-5 is a text; 1.2 has it as a number.
yaml.SafeLoader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))

SCHEMA = json.loads(subprocess.run([INGOT, "schema"], capture_output=True, check=True).stdout)
KEYS = {name: entry for name, entry in SCHEMA["properties"].items() if "$ref" not in entry}
ALIASES = [(alias, name) for name, entry in KEYS.items() for alias in entry.get("x-aliases", [])]


def checked(folder, text):
    (folder / "run.yaml").write_text(text)
    return ingot("preprocess", folder / "run.yaml", "--check", check=False)


def base(folder):
    return f"model_name_or_path: {STORIES}\ndataset: {ROOT}/examples/data/shakespeare.parquet\noutput_dir: {folder}/run\n"


def test_the_documents_have_the_tables_of_the_program():
    for page, text in write_key_tables.pages(INGOT).items():
        assert page.read_text() == text, f"{page}: run scripts/write_key_tables.py"
        assert text.count("<!-- keys: ") == len({entry["x-section"] for entry in KEYS.values()})


def test_every_key_says_something_in_both_languages():
    chinese = json.loads(ingot("schema", "--language", "zh").stdout)["properties"]
    for name, entry in KEYS.items():
        assert len(entry["description"]) > 5 and re.search("[\u4e00-\u9fff]", chinese[name]["description"]), name
        assert not re.search("[\u4e00-\u9fff]", entry["description"]), name


@pytest.mark.parametrize("file", sorted(ROOT.glob("examples/**/*.yaml")), ids=lambda file: str(file.relative_to(ROOT)))
def test_the_schema_takes_the_examples(file):
    if "templates" in file.parts:
        return
    config = yaml.safe_load(file.read_text())
    jsonschema.validate(config, SCHEMA)
    misspelt = {**config, "learning_rat": 1}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(misspelt, SCHEMA)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def out_of_range(entry):
    """Values that a key refuses: of the wrong type, outside its range, none of its choices."""
    numbers = entry.get("items", entry)
    wrong = []
    if "minimum" in numbers:
        wrong.append(numbers["minimum"] - 1)
    if "exclusiveMinimum" in numbers:
        wrong.append(numbers["exclusiveMinimum"])
    if "maximum" in numbers:
        wrong.append(numbers["maximum"] + 1)
    if "exclusiveMaximum" in numbers:
        wrong.append(numbers["exclusiveMaximum"])
    if "enum" in entry:
        wrong.append("none_of_these")
    if "integer" in entry["type"]:
        wrong += ["many", 1.5]
    if "boolean" in entry["type"]:
        wrong.append("maybe")
    return [[value] if "array" in entry["type"] else value for value in wrong]


@pytest.mark.parametrize("name", [name for name, entry in KEYS.items() if out_of_range(entry)])
def test_program_and_schema_refuse_the_same_values(tmp_path, name):
    """In the stage that has the key; what is refused names the key."""
    entry = KEYS[name]
    given = yaml.safe_load(base(tmp_path)) | {"stage": entry.get("x-stage", "pt")}
    if entry.get("x-stage") == "sft":
        given["template"] = "default"
    for wrong in out_of_range(entry):
        config = {**given, name: wrong}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(config, SCHEMA)
        result = checked(tmp_path, yaml.safe_dump(config))
        assert result.returncode == 2 and f"{name}: found" in result.stderr, (wrong, result.stderr)


def test_every_default_is_what_the_program_takes(tmp_path):
    shown = yaml.safe_load(checked(tmp_path, base(tmp_path)).stdout)
    for name, value in shown.items():
        if name not in SCHEMA["required"]:
            assert value == KEYS[name]["default"], name
    assert {name for name, entry in KEYS.items() if entry.get("x-stage") != "sft"} == set(shown)


@pytest.mark.parametrize("alias, name", ALIASES)
def test_other_trainers_names_are_taken(tmp_path, alias, name):
    entry = KEYS[name]
    value = "default" if name == "template" else entry["enum"][1] if "enum" in entry else "norm" if "array" in entry["type"] else entry.get("minimum", 0) + 0.5
    value = 2 if "integer" in entry["type"] else value
    text = base(tmp_path) + f"stage: {entry.get('x-stage', 'pt')}\nglobal_batch_size: 8\nfinetuning_type: lora\nmin_lr: 0\nval_size: 5\n"
    shown = yaml.safe_load(checked(tmp_path, text + f"{alias}: {value}\n").stdout)
    assert shown[name] == ([value] if "array" in entry["type"] else value) and alias not in shown
    both = checked(tmp_path, text + f"{alias}: {value}\n{name}: {value}\n")
    assert both.returncode == 2 and f"{alias}: given (line" in both.stderr and "the same key" in both.stderr


@pytest.mark.parametrize("file, override", [("learning_rate: 1e-3", "lr=2e-3"), ("lr: 1e-3", "learning_rate=2e-3"), ("lr: 1e-3", "lr=2e-3")])
def test_an_override_counts_under_either_name(tmp_path, file, override):
    (tmp_path / "run.yaml").write_text(base(tmp_path) + file + "\n")
    assert yaml.safe_load(ingot("preprocess", tmp_path / "run.yaml", "--check", "--set", override).stdout)["learning_rate"] == 2e-3


@pytest.mark.parametrize("wrong, hint", [("learning_rat", "learning_rate"), ("per_device_train_batchsize", "per_device_train_batch_size"),
                                         ("lora_target_module", "lora_target_modules"), ("cutof_len", "cutoff_len")])
def test_a_misspelt_key_is_told_the_nearest(tmp_path, wrong, hint):
    result = checked(tmp_path, base(tmp_path) + f"{wrong}: 1\n")
    assert result.returncode == 2 and f"{wrong}: unknown key (line 4), did you mean {hint}?" in result.stderr


def completed(shell_words, script):
    """What bash offers for these words, the last of which is being written."""
    quoted = " ".join("'" + word + "'" for word in shell_words)
    program = f'{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(shell_words) - 1}; _ingot; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return subprocess.run(["bash", "--norc", "-c", program], capture_output=True, text=True, check=True).stdout.split()


def test_bash_completes_verbs_flags_keys_and_values(tmp_path):
    script = ingot("completion", "bash").stdout
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert completed(["ingot", "tr"], script) == ["train"]
    assert set(completed(["ingot", ""], script)) >= {"train", "export", "completion", "--help", "--version"}
    assert completed(["ingot", "train", "--che"], script) == ["--check"]
    assert completed(["ingot", "train", "run.yaml", "--set", "warmup_r"], script) == ["warmup_ratio="]
    assert set(completed(["ingot", "train", "--set", ""], script)) == {f"{name}=" for name in KEYS}
    assert completed(["ingot", "train", "--set", "precision", "="], script) == [value for value in KEYS["precision"]["enum"] if value]
    assert completed(["ingot", "train", "--set", "packing", "=", "f"], script) == ["false"]
    assert completed(["ingot", "train", "run"], script) == []  # files are the shell's


def test_a_shell_at_a_terminal_completes(tmp_path):
    """An interactive bash, a script sourced as the help says, and the tab key."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update({"PS1": "$ ", "PATH": f"{pathlib.Path(INGOT).parent}:{os.environ['PATH']}", "TERM": "dumb"})
        os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])

    def typed(text, wanted):
        os.write(terminal, text.encode())
        shown, end = "", time.monotonic() + 20
        while wanted not in shown and time.monotonic() < end:
            if select.select([terminal], [], [], 0.5)[0]:
                shown += os.read(terminal, 4096).decode(errors="replace")
        return shown

    try:
        assert "ready" in typed("source <(ingot completion bash); echo re''ady\n", "ready")
        assert "--set warmup_ratio=" in typed("ingot train run.yaml --set warmup_r\t", "--set warmup_ratio=")
        assert "lr_scheduler_type=cosine" in typed("\x15ingot train --set lr_scheduler_type=cos\t", "lr_scheduler_type=cosine")
    finally:
        os.write(terminal, b"\x15exit\n")
        os.close(terminal)
        os.waitpid(child, 0)


def test_a_zsh_script_is_the_same_function():
    bash, zsh = ingot("completion", "bash").stdout, ingot("completion", "zsh").stdout
    assert zsh == "autoload -U +X bashcompinit && bashcompinit\n" + bash
    assert ingot("completion", "fish", check=False).returncode == 2
