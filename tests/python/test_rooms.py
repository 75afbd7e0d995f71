"""A file includes only rooms of a lower rank; LibTorch stays in the rooms that may have it (docs/design.md)."""

import re

import pytest

from conftest import ROOT

RANK = {"core": 0, "ops": 1, "data": 1, "monitor": 1, "launch": 1, "config": 2, "parallel": 2, "model": 3, "checkpoint": 3, "hub": 4, "train": 5, "generate": 5,
        "workflows": 6, "cli": 7}
# Headers of LibTorch that a header of ours may include: the tensor, and two small ones that templates of kernels need.
IN_HEADERS = {"ATen/core/Tensor.h", "ATen/Parallel.h", "c10/util/BFloat16.h"}
WITHOUT_LIBTORCH = {"core", "data", "config", "monitor", "launch", "cli"}
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


FUNCTION = re.compile(r"^(?!\s|#|//|using|return|class|struct|namespace)(?:\[\[\w+\]\] )?[\w:<>,&* ]+?[ &*](\w+)\(", re.MULTILINE)


def hidden_functions(sources, headers):
    """Functions of headers that a file calls and another file of its folder, compiled with it, hides behind a function of its own."""
    public = {name for text in headers for name in FUNCTION.findall(text)}
    own = {}
    for path, text in sources.items():
        bodies = re.findall(r"^namespace \{\n(.*?)^\}  // namespace$", text, re.MULTILINE | re.DOTALL)
        own[path] = {name for body in bodies for name in FUNCTION.findall(body)}
    return [f"{name} of {hiding} in {path}" for hiding in sources for name in sorted(own[hiding] & public)
            for path, text in sources.items()
            if path != hiding and path.parent == hiding.parent and name not in own[path] and re.search(rf"(?<![\w.:>]){name}\(", text)]


def test_no_function_of_core_is_hidden_in_a_folder():
    """Overloads of a namespace further in hide those of ingot, and a path becomes a text where one is wanted."""
    headers = [path.read_text() for path in SOURCES if path.suffix == ".h" and room_of(path) == "core"]
    assert hidden_functions({path: path.read_text() for path in SOURCES if path.suffix == ".cpp"}, headers) == []


def test_the_check_finds_a_hidden_function():
    sources = {ROOT / "src/hub/a.cpp": "namespace {\nbool lies_in(const std::string& module) { return true; }\n}  // namespace\n",
               ROOT / "src/hub/b.cpp": "void check() { lies_in(place, kept); }\n"}
    assert hidden_functions(sources, ["bool lies_in(const fs::path& path, const fs::path& folder);\n"])
