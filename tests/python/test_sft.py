"""Stage sft end to end: conversations in, ledgers, samples as they are inspected, training that resumes exactly, scores."""

import hashlib
import json
import math
import pathlib
import random
import subprocess

import pytest

from conftest import INGOT, ROOT, STORIES, ingot, read_losses, write_config


def conversation(number):
    return [{"role": "user", "content": f"What comes after {number}?"},
            {"role": "assistant", "content": f"The number {number + 1} comes after {number}. " + "It does. " * (number % 5)}]


def write_lines(file, records):
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Two data sets of 60 and 40 records."""
    folder = tmp_path_factory.mktemp("sets")
    first = write_lines(folder / "messages.jsonl", [{"messages": conversation(n)} for n in range(60)])
    records = [{"instruction": m[0]["content"], "input": "", "output": m[1]["content"]} for m in map(conversation, range(100, 140))]
    second = folder / "alpaca.json"
    second.write_text(json.dumps(records))
    return first, second


def sft_config(folder, sets, **keys):
    folder.mkdir(exist_ok=True)
    config = {"stage": "sft", "template": "default", "dataset": [str(path) for path in sets], "cutoff_len": 128, "val_size": 10,
              "packing": True, "max_steps": 12, "lr_scheduler_type": "cosine"}
    return write_config(folder, **{**config, **keys})


@pytest.fixture(scope="module")
def trained(tmp_path_factory, sets):
    folder = tmp_path_factory.mktemp("sft") / "whole"
    config = sft_config(folder, sets, sample_prompts=["What comes after 3?"])
    return config, folder / "run", ingot("train", config)


def weights_hash(run):
    return hashlib.sha256((pathlib.Path(run) / "model/model.safetensors").read_bytes()).hexdigest()


def test_the_loss_falls_and_every_set_is_evaluated(trained, sets):
    config, run, result = trained
    losses = read_losses(run)
    assert losses[12] < losses[1] - 0.5
    assert "user: What comes after 3?\nassistant:" in result.stdout
    for path in sets:
        assert f"validation loss of {path}" in result.stderr
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = [line for line in lines if line["step"] == 12 and "eval_loss" in line]
    parts, whole = [line for line in last if "eval_set" in line], [line for line in last if "eval_set" not in line]
    assert len(parts) == 2 and len(whole) == 1
    mean = sum(part["eval_loss"] * part["eval_tokens"] for part in parts) / sum(part["eval_tokens"] for part in parts)
    assert whole[0]["eval_loss"] == pytest.approx(mean, rel=1e-6)


def test_a_killed_run_ends_with_the_same_bits(tmp_path, trained, sets):
    _, whole, _ = trained
    chance = random.Random(5)
    kills = 0
    for attempt in range(12):
        if kills == 4:
            break
        config = sft_config(tmp_path / f"run{attempt}", sets, save_steps=1, sample_prompts=["What comes after 3?"])
        process = subprocess.Popen([INGOT, "train", str(config)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=chance.uniform(0.2, 1.5))
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        process.wait()
        ingot("train", config)
        assert weights_hash(tmp_path / f"run{attempt}/run") == weights_hash(whole)
        assert read_losses(tmp_path / f"run{attempt}/run") == read_losses(whole)
    assert kills >= 2


@pytest.mark.parametrize("changed, field", [({"template": "alpaca"}, "template"), ({"packing": False}, "packing"),
                                            ({"dataset_weights": [1, 2]}, "dataset_weights"),
                                            ({"train_on_prompt": True}, "sha256")])
def test_another_run_cannot_resume(tmp_path, trained, sets, changed, field):
    _, whole, _ = trained
    run = tmp_path / "run"
    subprocess.run(["cp", "-r", str(whole), str(run)], check=True)
    config = sft_config(tmp_path, sets, max_steps=13, sample_prompts=["What comes after 3?"], output_dir=str(run), **changed)
    result = ingot("train", config, check=False)
    assert result.returncode == 2, result.stderr
    assert "overwrite_output_dir: true" in result.stderr and field in result.stderr


def test_inspect_shows_the_sample_of_the_template(trained, sets):
    config, _, _ = trained
    shown = json.loads(ingot("inspect", config, "--sample", 61, "--json").stdout)
    assert shown["source"] == f"{sets[1]}:2"
    assert shown["warnings"] == []
    line = json.dumps(conversation(101))
    wanted = json.loads(ingot("tokenize", "--model", STORIES, "--chat", "--template", "default", text=line + "\n").stdout)
    assert shown["input_ids"] == wanted["input_ids"]
    assert shown["loss_mask"] == wanted["loss_mask"]
    table = ingot("inspect", config, "--sample", 61).stdout
    assert table.count(" label  ") == sum(shown["loss_mask"])
    assert "\x1b[32m" not in table
    assert "\x1b[32m" in ingot("inspect", config, "--sample", 61, "--color").stdout
    assert ingot("inspect", config, "--sample", 100, check=False).returncode == 2


def test_inspect_tells_what_became_of_the_records(tmp_path, sets):
    records = [{"messages": conversation(1)}, {"messages": conversation(2)[:1]}, {"messages": []}, {"messages": conversation(3) * 20}]
    file = write_lines(tmp_path / "some.jsonl", records)
    config = sft_config(tmp_path, [file], val_size=0)
    assert "`ingot preprocess` makes it" in ingot("inspect", config, check=False).stderr
    ingot("preprocess", config)
    text = ingot("inspect", config).stdout
    assert "2 samples of 4 records" in text
    assert f"1 left out: the last message has no answer, first {file}:2" in text
    assert f"1 cut, first {file}:4 cut by " in text
    assert "warning" not in text
    [summary] = json.loads(ingot("inspect", tmp_path / "run/data/train_1", "--json").stdout)
    assert summary["ledger"]["records"] == 4


def test_inspect_warns_when_nothing_teaches_to_stop(tmp_path, sets):
    template = tmp_path / "endless.yaml"
    template.write_text('user: "Q: {content}\\nA:"\nassistant: "{content}"\n')
    config = sft_config(tmp_path, sets, template=str(template))
    ingot("preprocess", config)
    assert ingot("inspect", config).stdout.count("the model would not learn to stop") == 2
    assert "the model would not learn to stop" in ingot("inspect", config, "--sample", 0).stdout


def scored_by_transformers(folder, samples):
    """Mean loss and accuracy over the labels of samples as inspect shows them."""
    import torch
    import transformers
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    loss, correct, tokens = 0.0, 0, 0
    for sample in samples:
        ids, mask = torch.tensor(sample["input_ids"]), torch.tensor(sample["loss_mask"])[1:].bool()
        with torch.no_grad():
            logits = model(ids[None]).logits[0, :-1][mask]
        wanted = ids[1:][mask]
        loss += torch.nn.functional.cross_entropy(logits, wanted, reduction="sum").item()
        correct += (logits.argmax(-1) == wanted).sum().item()
        tokens += len(wanted)
    return loss / tokens, correct / tokens, tokens


def test_eval_scores_labels_as_transformers_does(trained, sets, tmp_path):
    config, run, _ = trained
    some = write_lines(tmp_path / "some.jsonl", [{"messages": conversation(n)} for n in range(6)])
    other = write_lines(tmp_path / "other.jsonl", [{"messages": conversation(n)} for n in range(6, 10)] + [{"messages": []}])
    result = json.loads(ingot("eval", "--model", run / "model", "--template", "default", "--data", some, "--data", other, "--json").stdout)
    samples = [json.loads(ingot("inspect", config, "--sample", n, "--json").stdout) for n in range(10)]
    for found, part in zip([*result["data"], result], [samples[:6], samples[6:], samples]):
        loss, accuracy, tokens = scored_by_transformers(run / "model", part)
        assert found["tokens"] == tokens
        assert found["loss"] == pytest.approx(loss, abs=1e-5)
        assert found["perplexity"] == pytest.approx(math.exp(loss), rel=1e-4)
        assert found["accuracy"] == pytest.approx(accuracy, abs=1.5 / tokens)
    assert [part["skipped"] for part in result["data"]] == [0, 1]


def test_eval_takes_raw_text_beside_conversations(trained, sets, tmp_path):
    _, run, _ = trained
    text = tmp_path / "book.txt"
    text.write_text("Once upon a time there was a king.")
    result = json.loads(ingot("eval", "--model", run / "model", "--template", "default", "--data", text, "--data", sets[0], "--json").stdout)
    assert result["tokens"] == sum(part["tokens"] for part in result["data"])
    assert ingot("eval", "--model", run / "model", "--kind", "chat", "--template", "default", "--data", text, check=False).returncode == 3


@pytest.mark.parametrize("keys, steps", [({}, 15), ({"mix_strategy": "interleave_under"}, 10), ({"mix_strategy": "interleave_over"}, 20),
                                         ({"mix_strategy": "interleave_over", "interleave_probs": [0.8, 0.2]}, 25)])
def test_interleaved_sets_are_used_in_their_shares(tmp_path, keys, steps):
    """An epoch of 40 and 20 records: as they are, 20 + 20, 40 + 40, and 80 + 20."""
    sets = [write_lines(tmp_path / f"{count}.jsonl", [{"messages": conversation(n)} for n in range(count)]) for count in (40, 20)]
    config = sft_config(tmp_path / "mix", sets, val_size=0, packing=False, max_steps=0, num_train_epochs=1, save_steps=0, **keys)
    ingot("train", config)
    assert len(read_losses(tmp_path / "mix/run")) == steps


def test_interleaved_sets_take_turns_without_shuffling(tmp_path):
    sets = [write_lines(tmp_path / f"{name}.jsonl", [{"prompt": f"{name}{n}", "response": "yes"} for n in range(count)]) for name, count in (("a", 6), ("b", 3))]
    keys = {"val_size": 0, "packing": False, "shuffle": False, "global_batch_size": 1, "micro_batch_size": 1, "learning_rate": 1e-12}
    for path in sets:
        ingot("train", sft_config(tmp_path / path.stem, [path], **keys, max_steps=6))
    ingot("train", sft_config(tmp_path / "mix", sets, **keys, max_steps=12, mix_strategy="interleave_over", interleave_probs=[0.5, 0.5]))
    a, b, both = (list(read_losses(tmp_path / name / "run").values()) for name in ("a", "b", "mix"))
    assert both == pytest.approx([loss for pair in zip(a, b) for loss in pair], abs=1e-6)


@pytest.mark.parametrize("strategy", ["interleave_under", "interleave_over"])
def test_a_mixed_run_resumes_exactly(tmp_path, strategy):
    sets = [write_lines(tmp_path / f"{count}.jsonl", [{"messages": conversation(n)} for n in range(count)]) for count in (40, 20)]
    keys = {"mix_strategy": strategy, "interleave_probs": [0.3, 0.7], "val_size": 4, "save_steps": 4, "lr_scheduler_type": "constant"}
    ingot("train", sft_config(tmp_path / "whole", sets, **keys))
    ingot("train", sft_config(tmp_path / "parts", sets, **{**keys, "max_steps": 5}))
    ingot("train", sft_config(tmp_path / "parts", sets, **keys))
    assert read_losses(tmp_path / "parts/run") == read_losses(tmp_path / "whole/run")
    assert weights_hash(tmp_path / "parts/run") == weights_hash(tmp_path / "whole/run")


def test_megatron_instruction_layout(tmp_path, sets):
    import numpy as np
    config = sft_config(tmp_path, sets[:1], megatron_instruction_layout=True)
    ingot("preprocess", config)
    prefix = tmp_path / "run/data/train_1"
    ids, ones, labels = (np.fromfile(f"{prefix}_packed_{part}_document.bin", dtype="<i4") for part in ("input_ids", "attention_mask", "labels"))
    mask = np.fromfile(f"{prefix}_loss_mask_document.bin", dtype="u1")
    assert (ids == np.fromfile(f"{prefix}_input_ids_document.bin", dtype="<u2")).all()
    assert (ones == 1).all()
    assert (labels == np.where(mask == 1, ids, -100)).all()


@pytest.mark.parametrize("wrong, message", [
    ({"handler_name": "AlpacaStyleInstructionHandlr"}, "perhaps AlpacaStyleInstructionHandler"),
    ({"handler_name": "GeneralPretrainHandler"}, "which is for stage pt"),
    ({"template": "defalt"}, "default"),
    ({"truncation": "cut"}, "wanted one of cut_response, cut_prompt, skip, error"),
    ({"dataset_weights": [1]}, "one for each of 2 data sets"),
    ({"dataset_weights": [1, -1]}, "0 to 1000"),
    ({"mix_strategy": "interleave"}, "wanted one of concat, interleave_under, interleave_over"),
    ({"interleave_probs": [0.5, 0.5]}, "mix_strategy interleave_under or interleave_over"),
    ({"mix_strategy": "interleave_over", "interleave_probs": [0.5, 0.4]}, "a sum of 0.9"),
    ({"mix_strategy": "interleave_over", "dataset_weights": [1, 2]}, "found together with dataset_weights"),
    ({"map_keys": {"promt": "x"}}, "did you mean prompt?"),
    ({"json_keys": "content"}, "it is a key of stage pt"),
    ({"stage": "pt"}, "it is a key of stage sft"),
    ({"max_samples": -1}, "max_samples: found -1, wanted 0 or more"),
])
def test_a_wrong_configuration_is_one_message(tmp_path, sets, wrong, message):
    result = ingot("train", sft_config(tmp_path, sets, **wrong), check=False)
    assert result.returncode == 2
    assert message in result.stderr


def test_a_record_too_long_ends_the_run_when_asked(tmp_path, sets):
    result = ingot("preprocess", sft_config(tmp_path, sets, truncation="error", cutoff_len=40), check=False)
    assert result.returncode == 3
    assert f"{sets[0]}:" in result.stderr and "wanted at most cutoff_len = 40" in result.stderr


def test_parquet_and_json_give_the_same_samples(tmp_path, shared):
    folders = []
    for name in ("alpaca_zh.json", "parquet/alpaca_zh.zstd.parquet"):
        folders.append(tmp_path / str(len(folders)))
        ingot("preprocess", sft_config(folders[-1], [shared / "data/sft" / name], cutoff_len=512))
    for part in ("input_ids", "loss_mask"):
        first, second = ((folder / f"run/data/train_1_{part}_document.bin").read_bytes() for folder in folders)
        assert first == second


MODELARTS = [("alpaca_en.json", "GeneralInstructionHandler", 999), ("alpaca_zh.json", "AlpacaStyleInstructionHandler", 1000),
             ("sharegpt_zh.jsonl", "SharegptStyleInstructionHandler", 348), ("moss_no_plugins.jsonl", "MOSSMultiTurnHandler", 230),
             ("moss_no_plugins.jsonl", "MOSSInstructionHandler", None), ("messages_openai_en.jsonl", "openai", 128),
             ("sharegpt_tools_en.json", "auto", 300)]


@pytest.mark.parametrize("name, handler, samples", MODELARTS)
def test_real_files_balance_through_a_real_template(tmp_path, shared, smollm2, name, handler, samples):
    template = "qwen2.5" if "tools" in name else "chatml"
    config = sft_config(tmp_path, [shared / "data/sft" / name], model_name_or_path=str(smollm2), template=template, handler_name=handler,
                        cutoff_len=1024, val_size=0)
    ingot("preprocess", config)
    ledger = json.loads((tmp_path / "run/data/train_1.ledger.json").read_text())
    skipped = sum(entry["samples"] for entry in ledger["skipped"].values())
    assert ledger["samples"] + skipped == ledger["records"] + ledger["further_samples"]
    tokens = ledger["tokens"]
    assert tokens["kept"] + tokens["cut"] + tokens["skipped"] == tokens["rendered"]
    too_long = ledger["skipped"].get("no label is left within cutoff_len", {"samples": 0})["samples"]
    if samples is not None:
        assert ledger["samples"] + too_long == samples
    else:
        turns = sum(record["num_turns"] for record in map(json.loads, (shared / "data/sft" / name).read_text().splitlines()))
        assert ledger["samples"] + skipped == turns


def test_a_fraction_scales_the_loss_of_its_turn(tmp_path):
    """Against transformers, row by row; the mean is over the number of labels."""
    import torch
    import transformers
    weights = [0.5, 1, 0, 0.125]
    records = [{"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"answer {n}", "weight": weights[n % 4]},
                             {"role": "user", "content": "more"}, {"role": "assistant", "content": f"another {n}", "weight": weights[(n + 1) % 4]}]}
               for n in range(8)]
    keys = {"val_size": 0, "packing": False, "max_steps": 1, "shuffle": False, "global_batch_size": 8, "micro_batch_size": 4, "learning_rate": 1e-9}
    config = sft_config(tmp_path, [write_lines(tmp_path / "a.jsonl", records)], **keys)
    ingot("train", config)
    model = transformers.AutoModelForCausalLM.from_pretrained(STORIES, dtype=torch.float32)
    weighted = plain = labels = 0.0
    for n in range(8):
        sample = json.loads(ingot("inspect", config, "--sample", n, "--json").stdout)
        ids, mask = torch.tensor(sample["input_ids"]), torch.tensor(sample["loss_mask"])[1:].bool()
        share = torch.tensor(sample.get("weights", sample["loss_mask"]), dtype=torch.float32)[1:]
        with torch.no_grad():
            losses = torch.nn.functional.cross_entropy(model(ids[None]).logits[0, :-1], ids[1:], reduction="none")
        weighted, plain, labels = weighted + (losses * share).sum().item(), plain + losses[mask].sum().item(), labels + mask.sum().item()
    found = read_losses(tmp_path / "run")[1]
    assert found == pytest.approx(weighted / labels, abs=1e-5)
    assert abs(found - plain / labels) > 0.1


@pytest.mark.parametrize("keys", [{"train_on_prompt": True}, {"vendor_labels": True, "template": "qwen1.5"}])
def test_keys_that_undo_each_other_are_refused(tmp_path, sets, keys):
    """mask_history takes away the labels that the other gives. The keys alone are looked at: the model has no ChatML."""
    config = sft_config(tmp_path, sets, **{"mask_history": True, **keys})
    result = ingot("preprocess", "--check", config, check=False)
    assert result.returncode == 2 and "mask_history: found true, wanted false with" in result.stderr, result.stderr
    ingot("preprocess", "--check", sft_config(tmp_path, sets, **keys))
    ingot("preprocess", "--check", sft_config(tmp_path, sets, mask_history=True, vendor_labels=True, template="default"))
