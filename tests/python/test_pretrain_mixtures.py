"""Stage pt with several data sets: weights and shares of an epoch, rows that stay inside their data set, exact resume, what inspect shows."""

import hashlib
import json

import pytest
from conftest import ingot, read_losses, write_config

ROW = 8  # tokens
STILL = {"cutoff_len": ROW, "shuffle": False, "learning_rate": 1e-12, "micro_batch_size": 1, "global_batch_size": 1, "save_steps": 0, "max_steps": 0}


def write_texts(file, texts):
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return file


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    return [write_texts(folder / "kings.jsonl", [f"Once upon a time there was a king of {n} towns." for n in range(5)]),
            write_texts(folder / "girls.jsonl", ["Lily went to the park and saw a big red dog." for _ in range(2)])]


def row_losses(folder, sets, **keys):
    """The loss of every row of an epoch, in its order; the weights stand still."""
    folder.mkdir()
    ingot("train", write_config(folder, **{**STILL, "dataset": [str(path) for path in sets], **keys}))
    return list(read_losses(folder / "run").values())


@pytest.fixture(scope="module")
def alone(tmp_path_factory, sets):
    folder = tmp_path_factory.mktemp("alone")
    return [row_losses(folder / path.stem, [path]) for path in sets]


def same(found, wanted):
    return found == pytest.approx(wanted, abs=1e-6)


def test_weights_count_rows_of_each_set(tmp_path, sets, alone):
    first, second = alone
    assert same(row_losses(tmp_path / "twice", sets, dataset_weights=[1, 2]), first + second + second)
    assert same(row_losses(tmp_path / "none", sets, dataset_weights=[0, 1]), second)
    some = row_losses(tmp_path / "some", sets, dataset_weights=[0.5, 1])
    left = some[:-len(second)]
    assert len(left) == round(len(first) / 2) and same(some[-len(second):], second)
    assert all(any(same(loss, one) for one in first) for loss in left)


def test_without_weights_all_sets_are_one_stream(tmp_path, sets):
    together = write_texts(tmp_path / "together.jsonl", [json.loads(line)["text"] for path in sets for line in path.read_text().splitlines()])
    assert same(row_losses(tmp_path / "plain", sets), row_losses(tmp_path / "one", [together]))


@pytest.mark.parametrize("strategy, ends", [("interleave_under", min), ("interleave_over", max)])
def test_interleaved_sets_take_turns_in_equal_shares(tmp_path, sets, alone, strategy, ends):
    losses = row_losses(tmp_path / "mix", sets, mix_strategy=strategy)
    each = ends(map(len, alone))
    assert len(losses) == 2 * each
    for place, rows in enumerate(alone):
        turns = losses[place::2]
        assert all(any(same(loss, one) for one in rows) for loss in turns)
        assert same(turns[:min(each, len(rows))], rows[:each]) or each < len(rows)


def test_shares_decide_the_length_of_an_epoch(tmp_path, sets, alone):
    first, second = map(len, alone)
    losses = row_losses(tmp_path / "mix", sets, mix_strategy="interleave_over", interleave_probs=[0.8, 0.2])
    assert len(losses) == round(0.8 * max(first / 0.8, second / 0.2)) + round(0.2 * max(first / 0.8, second / 0.2))


def test_a_mixed_run_resumes_exactly_and_its_mixture_cannot_change(tmp_path, sets):
    keys = {"dataset": [str(path) for path in sets], "cutoff_len": ROW, "mix_strategy": "interleave_over", "interleave_probs": [0.3, 0.7],
            "val_size": 2, "max_steps": 9, "save_steps": 3}
    weights = []
    for name, stops in (("whole", [9]), ("parts", [4, 9])):
        (tmp_path / name).mkdir()
        for steps in stops:
            ingot("train", write_config(tmp_path / name, **{**keys, "max_steps": steps}))
        weights.append(hashlib.sha256((tmp_path / name / "run/model/model.safetensors").read_bytes()).hexdigest())
    assert weights[0] == weights[1]
    for changed in ({"interleave_probs": [0.5, 0.5]}, {"mix_strategy": "interleave_under"}, {"dataset": [keys["dataset"][1], keys["dataset"][0]]}):
        refused = ingot("train", write_config(tmp_path / "parts", **{**keys, "max_steps": 12, **changed}), check=False)
        assert refused.returncode == 2, refused.stderr


def test_inspect_shows_the_rows_of_a_mixture(tmp_path, sets, alone):
    config = write_config(tmp_path, dataset=[str(path) for path in sets], cutoff_len=ROW, dataset_weights=[1, 3])
    ingot("preprocess", config)
    summary = ingot("inspect", config).stdout
    for path, rows, documents in zip(sets, alone, (5, 2)):
        assert f"{path}: {documents} documents, {len(rows)} rows" in summary
    row = lambda number: json.loads(ingot("inspect", config, "--row", number, "--json").stdout)
    assert row(len(alone[0]))["text"].lstrip().startswith("Lily") and row(len(alone[0]))["documents"][0] == {"document": 5, "start": 0}
    assert row(len(alone[0]) - 1)["text"].rstrip().endswith(".") or "Lily" not in row(len(alone[0]) - 1)["text"]
    assert ingot("inspect", config, "--row", sum(map(len, alone)), check=False).returncode == 2


def test_a_set_that_makes_no_row_is_named(tmp_path, sets):
    small = write_texts(tmp_path / "small.jsonl", ["a"])
    refused = ingot("train", write_config(tmp_path, dataset=[str(sets[0]), str(small)], append_eod=False, dataset_weights=[1, 1], cutoff_len=ROW), check=False)
    assert refused.returncode == 3 and f"{small}: found" in refused.stderr and "wanted 2 or more" in refused.stderr


@pytest.mark.parametrize("wrong, message", [({"dataset_weights": [1]}, "one for each of 2 data sets"),
                                            ({"dataset_weights": [0, 0]}, "0 for all"),
                                            ({"mix_strategy": "mixed"}, "wanted one of concat, interleave_under, interleave_over"),
                                            ({"interleave_probs": [0.5, 0.5]}, "given with mix_strategy concat"),
                                            ({"mix_strategy": "interleave_over", "interleave_probs": [0.5, 0.6]}, "a sum of 1.1")])
def test_a_wrong_mixture_is_one_message(tmp_path, sets, wrong, message):
    refused = ingot("train", write_config(tmp_path, dataset=[str(path) for path in sets], **wrong), check=False)
    assert refused.returncode == 2 and message in refused.stderr and not (tmp_path / "run").exists()
