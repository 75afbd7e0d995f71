"""The documents name what the program has: every verb and file. Keys: test_keys.py."""

import re

import pytest

from conftest import ROOT, ingot


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_every_verb_and_every_linked_file_exists(page):
    text = (ROOT / page).read_text()
    for verb in set(re.findall(r"^(?:build/release/bin/)?ingot (\w+)", text, re.MULTILINE)):
        assert ingot(verb, "--help").returncode == 0
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / link).exists(), link
