"""docs/scale.md: every row of its tables of plans is what its command prints."""

import re

import pytest

from conftest import ROOT, ingot

PAGES = ("docs/scale.md", "docs/zh/scale.md")
COMMAND = ("plan", "--model", "llama2-70b")


def row_of(flags):
    """A row of a table, from what `ingot plan --model llama2-70b FLAGS` prints."""
    printed = ingot(*COMMAND, *flags.split()).stdout
    devices, layout = re.search(r"^(\d+) devices: (.*); fits: ", printed, re.MULTILINE).groups()
    step = re.search(r"^a step: (.*?) \((.*?) of arithmetic, (.*?) of exchange, (.*?) of sums and update, bubble (\d+%)\), (.*) tokens a second, (\d+%) of",
                     printed, re.MULTILINE).groups()
    assert f"--devices {devices}" in flags
    return "| `" + "` | ".join([flags, " | ".join([layout.removesuffix(", recompute selective"), *step])]) + " |"


def rows(page):
    return re.findall(r"^\| `(--devices [^`]*)` \|.*$", (ROOT / page).read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_every_row_is_printed_by_its_command(page):
    text = (ROOT / page).read_text()
    assert len(rows(page)) >= 12
    for flags in rows(page):
        assert row_of(flags) + "\n" in text, row_of(flags)


def test_both_languages_have_the_same_rows():
    assert rows(PAGES[0]) == rows(PAGES[1])
