"""The real models' golden values: stories260K (which is in examples/) and SmolLM2-135M-Instruct."""

import json

import pytest

from conftest import STORIES, ingot


def generate(model, prompt, tokens, *more):
    return json.loads(ingot("generate", "--model", model, "--prompt", prompt, "--max-new-tokens", tokens, "--json", *more).stdout)


def evaluate_ids(model, ids, folder):
    file = folder / "ids.jsonl"
    file.write_text(json.dumps({"input_ids": ids}) + "\n")
    return json.loads(ingot("eval", "--model", model, "--data", file, "--json").stdout)


def test_stories260k_greedy_text_and_ids(shared):
    golden = json.loads((shared / "tiny-models/stories260K-llama/golden.json").read_text())
    for case in golden["greedy"]:
        new = len(case["greedy_ids"]) - len(case["prompt_ids"])
        made = generate(STORIES, case["prompt"], new, "--ignore-eos")
        assert made["prompt_ids"] == case["prompt_ids"]
        assert made["prompt_ids"] + made["ids"] == case["greedy_ids"]
        assert made["full_text"].strip() == case["text"].strip()


def test_stories260k_loss(shared, tmp_path):
    golden = json.loads((shared / "tiny-models/stories260K-llama/golden.json").read_text())
    for case in golden["logits"]:
        assert evaluate_ids(STORIES, case["ids"], tmp_path)["loss"] == pytest.approx(case["mean_nll"], abs=1e-4)


def test_smollm2_greedy_text_and_ids(shared, smollm2):
    golden = json.loads((shared / "tiny-models/smollm2-135m/golden.json").read_text())
    for case in golden["cases"]:
        made = generate(smollm2, case["text"], len(case["greedy_ids"]))
        assert made["prompt_ids"] == case["input_ids"]
        assert made["ids"] == case["greedy_ids"]
        assert made["text"] == case["greedy_text"]


@pytest.mark.parametrize("name", ["wikitext2_first_1024_ids", "tinyshakespeare_first_1024_ids"])
def test_smollm2_loss(shared, smollm2, tmp_path, name):
    golden = json.loads((shared / "tiny-models/smollm2-135m/golden.json").read_text())[name]
    scored = evaluate_ids(smollm2, golden["input_ids"], tmp_path)
    assert scored["tokens"] == len(golden["input_ids"]) - 1
    assert scored["loss"] == pytest.approx(golden["mean_loss"], abs=1e-4)


def test_temperature_draws_differ_by_seed_and_repeat_with_it(tmp_path):
    draw = lambda seed: generate(STORIES, "Once upon a time", 24, "--temperature", 1.0, "--top-p", 0.95, "--seed", seed)["ids"]
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_top_k_of_one_is_greedy():
    assert (generate(STORIES, "Lily", 16, "--temperature", 1.5, "--top-k", 1)["ids"] == generate(STORIES, "Lily", 16)["ids"])
