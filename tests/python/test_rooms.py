"""A file includes only rooms of a lower rank; LibTorch stays in the rooms that may have it (docs/design.md)."""

import re

import pytest

from conftest import ROOT

RANK = {"core": 0, "ops": 1, "data": 1, "monitor": 1, "config": 2, "model": 3, "checkpoint": 3, "hub": 4, "train": 5, "generate": 5,
        "workflows": 6, "cli": 7}
# Headers of LibTorch that a header of ours may include: the tensor, and two small ones that templates of kernels need.
IN_HEADERS = {"ATen/core/Tensor.h", "ATen/Parallel.h", "c10/util/BFloat16.h"}
WITHOUT_LIBTORCH = {"core", "data", "config", "monitor", "cli"}
SOURCES = sorted([*ROOT.glob("src/*/**/*.h"), *ROOT.glob("src/*/**/*.cpp")])
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.MULTILINE)


def room_of(path):
    return path.relative_to(ROOT / "src").parts[0]


def broken_includes(room, text, is_header):
    """Includes in `text` that a file of `room` must not have."""
    broken = []
    for name in INCLUDE.findall(text):
        target = name.split("/")[0]
        if target in RANK and target != room and RANK[target] >= RANK[room]:
            broken.append(name)
        if name == "torch/torch.h" or (name.startswith(("ATen", "torch", "c10")) and room in WITHOUT_LIBTORCH):
            broken.append(name)
        if is_header and name.startswith(("ATen", "torch", "c10")) and name not in IN_HEADERS:
            broken.append(name)
    return broken


def test_every_source_is_in_a_known_room():
    assert SOURCES
    assert {room_of(path) for path in SOURCES} <= set(RANK)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_includes_go_down_only(path):
    assert broken_includes(room_of(path), path.read_text(), path.suffix == ".h") == []


@pytest.mark.parametrize("room, text", [
    ("core", '#include "data/shards/batch.h"'), ("ops", '#include "data/shards/batch.h"'), ("model", '#include "checkpoint/gguf/gguf.h"'),
    ("train", '#include "workflows/train.h"'), ("data", "#include <ATen/ATen.h>"), ("ops", "#include <torch/torch.h>"),
])
def test_the_check_finds_a_broken_include(room, text):
    assert broken_includes(room, text, is_header=False)


def test_headers_and_sources_keep_their_size():
    long = [str(path.relative_to(ROOT)) for path in SOURCES
            if len(path.read_text().splitlines()) > (150 if path.suffix == ".h" else 300)]
    assert long == []
