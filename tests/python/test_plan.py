"""`ingot plan`: what it says of the 32 models in milliseconds, of layouts that are not possible, and how near its bytes are to the peaks
that `ingot train` is measured at."""

import dataclasses
import json
import resource
import shutil
import statistics
import sys

import pytest

from conftest import INGOT, LONG, SHAKESPEARE, STORIES, ingot, peak_memory, write_config
from published_models import MODELS, VARIANTS, config_of
from test_errors import CONFIG, error_of

GIB = 1 << 30
TOKENIZER = ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json")
# TP and PP of CONTRACT §3 at 4096 and 8192 tokens.
LAYOUTS = {
    "llama2-7b": [(1, 4), (2, 4)], "llama2-13b": [(8, 1), (8, 1)], "llama2-70b": [(8, 4), (8, 8)], "llama3-8b": [(4, 1), (4, 1)],
    "llama3-70b": [(8, 4), (8, 8)], "qwen-7b": [(4, 1), (4, 1)], "qwen-14b": [(8, 1), (8, 1)], "qwen-72b": [(8, 4), (8, 8)],
    "qwen1.5-7b": [(4, 1), (4, 1)], "qwen1.5-14b": [(8, 1), (8, 1)], "qwen1.5-32b": [(8, 2), (8, 4)], "qwen1.5-72b": [(8, 4), (8, 8)],
    "yi-6b": [(1, 4), (2, 4)], "yi-34b": [(8, 2), (8, 4)], "chatglm3-6b": [(1, 4), (2, 4)], "baichuan2-13b": [(8, 1), (8, 1)],
    "qwen2-0.5b": [(1, 1), (1, 1)], "qwen2-1.5b": [(1, 1), (1, 1)], "qwen2-7b": [(4, 1), (4, 1)], "qwen2-72b": [(8, 4), (8, 8)],
    "glm-4-9b": [(2, 4), (2, 4)], "mistral-7b": [(4, 1), (8, 1)], "mixtral-8x7b": [(8, 2), (8, 2)], "llama3.1-8b": [(4, 1), (4, 1)],
    "llama3.1-70b": [(8, 4), (8, 8)], "qwen2.5-0.5b": [(1, 1), (1, 1)], "qwen2.5-7b": [(2, 1), (4, 1)], "qwen2.5-14b": [(8, 1), (8, 1)],
    "qwen2.5-32b": [(8, 2), (8, 2)], "qwen2.5-72b": [(8, 4), (8, 8)], "llama3.2-1b": [(1, 1), (1, 1)], "llama3.2-3b": [(1, 2), (1, 2)],
}


def plan(*arguments):
    return json.loads(ingot("plan", *arguments, "--json").stdout)


def test_counts_of_all_32_models_are_exact():
    found = plan("--model", "all", "--devices", 8)["models"]
    assert {one["model"]: one["parameters"] for one in found} == {key: model.parameters for key, model in MODELS.items()}


def test_counts_equal_the_table_of_models(shared):
    rows = [line.split("\t") for line in (shared / "models.tsv").read_text().splitlines()]
    column = rows[0].index("params_total")
    found = plan("--model", "all")["models"]
    assert {one["model"]: one["parameters"] for one in found} == {row[0]: int(row[column]) for row in rows[1:]}


def cpu_seconds():
    """Of all programs that have ended: what else runs on the machine does not count."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_every_recommended_layout_is_planned_in_milliseconds():
    seconds = []
    for key, layouts in LAYOUTS.items():
        for length, (tp, pp) in zip((4096, 8192), layouts, strict=True):
            start = cpu_seconds()
            found = plan("--model", key, "--tp", tp, "--pp", pp, "--cutoff-len", length, "--recompute", "full", "--zero", 1)
            seconds.append(cpu_seconds() - start)
            assert (found["layout"]["tp"], found["layout"]["pp"], found["devices"]) == (tp, pp, tp * pp), key
            assert len(found["stages"]) == pp and found["per_rank"]["total"] > 0, key
    assert len(seconds) == 64
    assert statistics.median(seconds) < 0.05 and max(seconds) < 0.5


def test_prints_one_object():
    found = plan("--model", "llama2-70b", "--devices", 64, "--memory", "64GiB")
    assert found["fits"] is True and found["memory"] == 64 * GIB
    assert found["layout"]["dp"] * found["layout"]["tp"] * found["layout"]["pp"] == 64
    rank = found["per_rank"]
    assert rank["total"] == sum(rank[part] for part in ("weights", "gradients", "optimizer", "activations", "merge", "program"))
    assert rank["total"] <= 64 * GIB
    assert all(rank["total"] >= stage["total"] for stage in found["stages"])
    assert set(found["recompute"]) == {"none", "selective", "full"}
    assert found["communication"]["total"] == pytest.approx(sum(found["communication"][axis] for axis in ("tensor", "context", "pipeline", "expert", "data")), abs=5)
    assert 0 <= found["step"]["bubble"] < 1 and found["step"]["seconds"] > 0
    assert found["checkpoint"]["bytes"] == 14 * 68976648192  # bf16 values, fp32 masters and two moments
    seconds = [found["step"]["seconds"]] + [one["seconds"] for one in found["layouts"]]
    assert seconds == sorted(seconds) and len(seconds) >= 3
    assert found["change"] is None


def test_says_what_would_make_it_fit():
    found = plan("--model", "llama2-13b", "--devices", 8, "--tp", 1, "--zero", 0, "--recompute", "none")
    assert found["fits"] is False
    assert found["change"]["total"] <= found["memory"] < found["per_rank"]["total"]
    assert found["change"]["layout"]["devices"] == 8
    text = ingot("plan", "--model", "llama2-13b", "--devices", 8, "--tp", 1, "--zero", 0, "--recompute", "none").stdout
    assert "DOES NOT FIT" in text and f"to make it fit: {found['change']['words']}" in text


def test_all_models_are_a_line_each():
    lines = ingot("plan", "--model", "all", "--devices", 8, "--memory", "64GiB", "--finetuning-type", "lora").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(MODELS)
    assert any("does not fit" in line or "fits: " in line for line in lines)


@pytest.mark.parametrize("arguments, words", [
    (["--tp", 3], "tp: found 3, wanted 2 or 4"), (["--pp", 33], "pp: found 33, wanted 32"), (["--dp", 48], "dp: found 48, wanted 32 or 64"),
    (["--tp", 8, "--devices", 12], "--devices: found 12, wanted a multiple of tp 8 x pp 1 x cp 1 = 8: 8 or 16"),
    (["--ep", 2, "--dp", 2], "ep: found 2, wanted 1: the model has no experts"), (["--cp", 3], "cp: found 3, wanted 2 or 4"),
    (["--zero", 2, "--pp", 2], "zero: found 2, wanted 0 or 1 with pp 2"), (["--memory", "lots"], "--memory: found lots, wanted a number of bytes such as 64GiB"),
])
def test_an_impossible_layout_is_told_with_the_nearest_possible_ones(arguments, words):
    assert words in error_of(ingot("plan", "--model", "llama2-7b", "--global-batch-size", 64, *arguments, check=False), CONFIG)


def test_an_unknown_model_is_told_with_the_nearest_one():
    assert "did you mean llama2-7b?" in error_of(ingot("plan", "--model", "llama2-7", check=False), CONFIG)


# What `train` does with its plan.

def write_model(folder, key, **sizes):
    """A folder with the model's config.json, other sizes in it, and a tokenizer; no weights."""
    model = dataclasses.replace({**MODELS, **VARIANTS}[key], **sizes)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**config_of(model), "bos_token_id": 1, "eos_token_id": 2}))
    for name in TOKENIZER:
        shutil.copy(STORIES / name, folder / name)
    return folder


def huge_run(folder):
    """Of a model that no machine of these tests holds."""
    return write_config(folder, model_name_or_path=str(write_model(folder / "model", "llama2-70b")), train_from_scratch=True)


def test_train_refuses_what_cannot_fit_and_says_what_would(tmp_path):
    config = huge_run(tmp_path)
    told = error_of(ingot("train", config, check=False), CONFIG)
    assert "memory: found" in told and "of the optimizer" in told and "--force goes on all the same" in told
    assert told.count("\n") == 1
    assert error_of(ingot("train", config, "--check", check=False), CONFIG) == told
    assert not (tmp_path / "run").exists()


def test_every_rank_of_this_machine_is_counted(tmp_path):
    result = ingot("train", huge_run(tmp_path), "--nproc", 2, check=False)
    assert result.returncode == CONFIG
    assert "for each of 2 ranks" in result.stderr


def test_force_goes_on(tmp_path):
    """--check with it reads no weight and makes no tensor."""
    result = ingot("train", huge_run(tmp_path), "--check", "--force", "--set", "save_steps=0", check=False)
    assert "warning: " in result.stderr and "memory: found" in result.stderr
    assert "--force goes on" not in result.stderr


def test_train_prints_its_plan_first(tmp_path):
    told = ingot("train", write_config(tmp_path, max_steps=1)).stderr.splitlines()
    assert "plan: " in told[0] and "of the optimizer" in told[0]


# Measured peaks.

SIZES = {"hidden": 512, "layers": 6, "heads": 8, "kv_heads": 8, "ffn": 1408, "vocab": 8192}
FAMILIES = {
    "llama": ("llama2-7b", {}), "llama grouped": ("llama3-8b", {"kv_heads": 2}), "qwen2 tied": ("qwen2-0.5b", {"kv_heads": 2, "vocab": 16384}),
    "qwen": ("qwen-7b", {}), "mistral windowed": ("mistral-7b-v0.1", {"kv_heads": 2, "extra": {"sliding_window": 128}}),
    "mixtral": ("mixtral-8x7b", {"kv_heads": 2, "ffn": 704, "layers": 3}), "chatglm": ("chatglm3-6b", {"kv_heads": 2}),
    "glm": ("glm-4-9b-hf", {"kv_heads": 2}), "baichuan": ("baichuan2-13b", {}),
}


@dataclasses.dataclass(frozen=True)
class Peak:
    """A run whose peak is measured."""
    family: str
    keys: dict = dataclasses.field(default_factory=dict)
    ranks: int = 1

    def __str__(self):
        return ", ".join([self.family, *(f"{key} {value}" for key, value in self.keys.items()), *([f"{self.ranks} ranks"] if self.ranks > 1 else [])])


SELECTIVE, FULL, BF16, LORA = {"recompute": "selective"}, {"recompute": "full"}, {"precision": "bf16"}, {"finetuning_type": "lora"}
TP, PP, CP, EP = ({f"{axis}_parallel_size": 2} for axis in ("tensor_model", "pipeline_model", "context", "expert_model"))
PEAKS = [
    *(Peak(family) for family in FAMILIES),
    *(Peak(family, SELECTIVE) for family in ("qwen2 tied", "mixtral", "baichuan")), *(Peak(family, FULL) for family in ("llama grouped", "mistral windowed", "glm")),
    *(Peak(family, {**LORA, "lora_rank": 16}) for family in ("llama", "qwen2 tied")), Peak("baichuan", {**LORA, **SELECTIVE}),
    Peak("llama", BF16), Peak("mixtral", {**BF16, **FULL}),
    Peak("llama", {**BF16, **LORA}), Peak("llama grouped", {"micro_batch_size": 2, "global_batch_size": 4, **SELECTIVE}),
    Peak("llama", {"reproducible": True, "logical_shards": 4, "global_batch_size": 8}),
    Peak("llama", {}, ranks=2), Peak("qwen2 tied", {**SELECTIVE, "zero_stage": 1, "global_batch_size": 4}, ranks=2), Peak("llama", LORA, ranks=2),
    Peak("llama", {"zero_stage": 2, "global_batch_size": 4}, ranks=2), Peak("qwen2 tied", {**BF16, "zero_stage": 3, "global_batch_size": 4}, ranks=4),
    Peak("chatglm", {**FULL, "zero_stage": 3}, ranks=2),
    Peak("llama", TP, ranks=2), Peak("baichuan", {**TP, **SELECTIVE}, ranks=2), Peak("glm", {**TP, **FULL, "zero_stage": 1}, ranks=4), Peak("llama", {**TP, **LORA}, ranks=2),
    Peak("llama", {**PP, "global_batch_size": 4}, ranks=2), Peak("qwen2 tied", {**PP, **FULL, "global_batch_size": 4}, ranks=2),
    Peak("qwen", {**PP, **SELECTIVE, "virtual_pipeline_model_parallel_size": 3, "global_batch_size": 4}, ranks=2),
    Peak("llama grouped", CP, ranks=2), Peak("mistral windowed", {**CP, **FULL}, ranks=2), Peak("mixtral", EP, ranks=2), Peak("mixtral", {**EP, **FULL, **TP}, ranks=4),
]
FEW = [Peak("llama"), Peak("qwen2 tied", SELECTIVE), Peak("llama", {**LORA, "lora_rank": 16})]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Model folders by family, with weights where an adapter is trained, made by a run of one short step."""
    root, made = tmp_path_factory.mktemp("peaks"), {}

    def folder_of(family, weights):
        key, sizes = FAMILIES[family]
        if (family, weights) not in made:
            made[family, weights] = write_model(root / f"{len(made)}", key, **{**SIZES, **sizes})
            if weights:
                (root / "scratch").mkdir(exist_ok=True)
                config = write_config(root / "scratch", model_name_or_path=str(made[family, weights]), train_from_scratch=True, max_steps=1, cutoff_len=8,
                                      micro_batch_size=1, global_batch_size=1, output_dir=str(root / f"scratch-{len(made)}"))
                ingot("train", config)
                made[family, weights] = root / f"scratch-{len(made)}/model"
        return made[family, weights]
    return folder_of


def measured_and_planned(peak, folders, folder):
    lora = peak.keys.get("finetuning_type") == "lora"
    folder.mkdir()
    keys = {"cutoff_len": 512, "micro_batch_size": 1, "global_batch_size": 2, "max_steps": 1, "save_steps": 0, "dataset": str(SHAKESPEARE),
            "model_name_or_path": str(folders(peak.family, lora)), "train_from_scratch": not lora, **peak.keys}
    config = write_config(folder, **keys)
    _, mebibytes = peak_memory(INGOT, "train", config, *(["--nproc", peak.ranks] if peak.ranks > 1 else []))
    planned = plan(config, "--devices", peak.ranks)["per_rank"]["total"] / (1 << 20)
    shutil.rmtree(folder)
    return mebibytes, planned


@pytest.mark.parametrize("peaks", [PEAKS if LONG else FEW], ids=["40" if LONG else "few"])
def test_planned_bytes_are_near_the_measured_peaks(peaks, folders, tmp_path):
    assert len(peaks) == (40 if LONG else 3)
    errors = []
    for place, peak in enumerate(peaks):
        measured, planned = measured_and_planned(peak, folders, tmp_path / str(place))
        errors.append((planned / measured - 1, str(peak)))
        print(f"{peak!s:<90} measured {measured:8.1f} MiB, planned {planned:8.1f}, {100 * errors[-1][0]:+.1f}%", file=sys.stderr)
    worst, where = max((abs(error), name) for error, name in errors)
    assert worst <= 0.05, where
    assert statistics.median(abs(error) for error, _ in errors) <= 0.02
