"""The documents name what the program has: every configuration key, verb and file."""

import re

import pytest

from conftest import ROOT, ingot


def keys_in_code():
    text = "".join(file.read_text() for file in (ROOT / "src/config").glob("*.cpp"))
    return set(re.findall(r'yaml\.read\("(\w+)"', text))


@pytest.mark.parametrize("page", ["docs/config.md", "docs/zh/config.md"])
def test_every_configuration_key_is_documented_and_no_other(page):
    rows = [line.split("|")[1] for line in (ROOT / page).read_text().splitlines() if line.startswith("| `")]
    documented = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert documented == keys_in_code()


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_every_verb_and_every_linked_file_exists(page):
    text = (ROOT / page).read_text()
    for verb in set(re.findall(r"^(?:build/release/bin/)?ingot (\w+)", text, re.MULTILINE)):
        assert ingot(verb, "--help").returncode == 0
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), link
