"""The front program starts at once, speaks clearly, and loads neither LibTorch nor Arrow."""

import json
import pathlib
import statistics
import subprocess
import time

import pytest

from conftest import INGOT, STORIES, ingot, write_config

MAX_SECONDS = 0.050


@pytest.mark.parametrize("arguments", [["--help"], ["models"], ["--version"], ["train", "--help"]])
def test_answers_within_50_ms(arguments):
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        subprocess.run([INGOT, *arguments], stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - start)
    assert statistics.median(seconds) < MAX_SECONDS


def test_links_neither_libtorch_nor_arrow():
    needed = subprocess.run(["ldd", INGOT], capture_output=True, text=True, check=True).stdout
    assert "libc.so" in needed
    assert "torch" not in needed and "arrow" not in needed and "parquet" not in needed


def test_preparing_data_needs_no_libtorch():
    needed = subprocess.run(["ldd", pathlib.Path(INGOT).with_name("ingot-data")], capture_output=True, text=True, check=True).stdout
    assert "parquet" in needed and "torch" not in needed


def test_version_names_every_linked_part():
    text = ingot("--version").stdout
    for part in ["ingot 0.", "LibTorch 2.", "Arrow 26", "simdjson", "PCRE2", "utf8proc", "yaml-cpp", "CLI11", "OpenSSL"]:
        assert part in text
    assert all(line.split()[-1][0].isdigit() for line in text.strip().splitlines())


def test_models_lists_32_models_with_exact_parameters():
    models = json.loads(ingot("models", "--json").stdout)
    assert len(models) == 32
    assert {model["key"]: model["parameters"] for model in models}["llama2-7b"] == 6738415616
    assert "llama2-7b" in ingot("models").stdout


@pytest.mark.parametrize("arguments", [[], ["trian"], ["train"], ["train", "a.yaml", "--nope"], ["inspect"],
                                       ["generate", "--model", STORIES, "--prompt", "x", "--temperature", "-1"]])
def test_a_wrong_command_line_ends_with_2(arguments):
    result = ingot(*arguments, check=False)
    assert result.returncode == 2
    assert result.stderr + result.stdout


@pytest.mark.parametrize("verb", ["train", "preprocess", "tokenize", "eval", "generate", "export", "convert", "inspect", "models"])
def test_help_shows_examples(verb):
    assert f"ingot {verb}" in ingot(verb, "--help").stdout


def test_check_prints_what_is_in_effect_and_writes_nothing(tmp_path):
    file = write_config(tmp_path, learning_rate=3e-4)
    first = ingot("train", file, "--check", "--set", "max_steps=9").stdout
    assert "max_steps: 9\n" in first and "learning_rate: 0.0003\n" in first and "weight_decay: 0.0\n" in first
    (tmp_path / "again.yaml").write_text(first)
    assert ingot("train", tmp_path / "again.yaml", "--check").stdout == first
    assert not (tmp_path / "run").exists()
    assert ingot("train", file, "--check", "--set", "max_step=9", check=False).returncode == 2
