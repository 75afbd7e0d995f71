"""A tokenizer with more ids than the model: refused only where such an id occurs, and resize_vocab."""

import json
import shutil

import numpy
import pytest
import sentencepiece
import tokenizers
import torch
import transformers
from safetensors.torch import load_file

from conftest import STORIES, ingot, read_losses, write_config
from test_llama_parity import make_folder

ROWS, IDS = 450, 512  # of the model, of the tokenizer
TOKENIZER_FILES = ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json")


def make_base(folder, **changes):
    make_folder(folder, vocab_size=ROWS, **changes)
    for name in TOKENIZER_FILES:
        shutil.copy(STORIES / name, folder / name)
    return folder


@pytest.fixture(scope="module", params=["tied", "untied"])
def base(request, tmp_path_factory):
    return make_base(tmp_path_factory.mktemp(request.param) / "model", tie_word_embeddings=request.param == "tied")


@pytest.fixture(scope="module")
def words():
    """Words of ids that the model has, and words of others."""
    tokenizer = sentencepiece.SentencePieceProcessor(str(STORIES / "tokenizer.model"))
    known, unknown = [], []
    for word in ("the and to was a he she it they with said day her his in of happy play saw lily mom big time tom what "
                 "zebra quartz jukebox").split():
        (known if max(tokenizer.encode(word)) < ROWS else unknown).append(word)
    assert len(known) >= 3 and len(unknown) >= 2
    return known, unknown


def write_texts(file, words, count=40):
    file.write_text("".join(json.dumps({"text": " ".join(words * 8)}) + "\n" for _ in range(count)))
    return file


def run(folder, base, dataset, **keys):
    folder.mkdir(exist_ok=True)
    settings = {"model_name_or_path": str(base), "dataset": str(dataset), "max_steps": 4, "cutoff_len": 32, **keys}
    return ingot("train", write_config(folder, **settings), check=False)


def test_ids_that_the_data_does_not_hold_do_not_matter(tmp_path, base, words):
    result = run(tmp_path, base, write_texts(tmp_path / "a.jsonl", words[0]), val_size=2, eval_steps=4)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("where", ["dataset", "eval_dataset"])
def test_an_id_that_the_model_lacks_is_refused_with_a_way_out(tmp_path, base, words, where):
    files = {kind: write_texts(tmp_path / f"{kind}.jsonl", words[0]) for kind in ("dataset", "eval_dataset")}
    with files[where].open("a") as file:
        file.write(json.dumps({"text": " ".join(words[1] * 20)}) + "\n")
    result = run(tmp_path, base, files["dataset"], eval_dataset=str(files["eval_dataset"]))
    assert result.returncode == 2 and f"{where}: holds the id " in result.stderr, result.stderr
    assert f"vocab_size {ROWS}; resize_vocab: true" in result.stderr and "loading weights" not in result.stderr, result.stderr


def test_stage_sft_refuses_it_as_well(tmp_path, base, words):
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"prompt": " ".join(words[0]), "response": " ".join(words[1])}) + "\n")
    result = run(tmp_path, base, file, stage="sft", template="default", cutoff_len=512)
    assert result.returncode == 2 and "resize_vocab: true" in result.stderr, result.stderr


@pytest.mark.parametrize("multiple, rows", [(None, 512), (100, 600), (1, 512), (513, 513)])
def test_new_rows_are_the_mean_of_the_old_ones(tmp_path, base, words, multiple, rows):
    keys = {"resize_vocab": True, "shuffle": False, "learning_rate": 1e-12, **({"resize_vocab_multiple": multiple} if multiple else {})}
    result = run(tmp_path, base, write_texts(tmp_path / "a.jsonl", words[0] + words[1]), **keys)
    assert result.returncode == 0 and f"it gets {rows}" in result.stderr, result.stderr
    before, after = (load_file(folder / "model.safetensors") for folder in (base, tmp_path / "run/model"))
    assert before.keys() == after.keys()
    for name, value in before.items():
        grown = after[name]
        if name in ("model.embed_tokens.weight", "lm_head.weight"):
            assert grown.shape == (rows, value.shape[1])
            torch.testing.assert_close(grown[ROWS:], value.mean(0).expand(rows - ROWS, -1), rtol=1e-5, atol=1e-7)
            grown = grown[:ROWS]
        torch.testing.assert_close(grown, value, rtol=0, atol=1e-9)
    opened = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "run/model", dtype=torch.float32)
    assert opened.config.vocab_size == rows
    file, = (tmp_path / "run/data").glob("*_document.bin")
    tokens = torch.from_numpy(numpy.fromfile(file, dtype=numpy.uint16).astype(numpy.int64))[:16 * 32 + 1]
    with torch.no_grad():
        logits = opened(tokens[:-1].view(16, 32)).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[1:]).item()
    assert sum(read_losses(tmp_path / "run").values()) / 4 == pytest.approx(loss, abs=1e-5)
    assert ingot("generate", "--model", tmp_path / "run/model", "--prompt", "the", "--max-new-tokens", 2).returncode == 0


def test_a_resumed_run_keeps_its_grown_vocabulary(tmp_path, base, words):
    data = write_texts(tmp_path / "a.jsonl", words[0] + words[1])
    keys = {"resize_vocab": True, "save_steps": 2}
    assert run(tmp_path / "whole", base, data, **keys).returncode == 0
    assert run(tmp_path / "parts", base, data, **{**keys, "max_steps": 2}).returncode == 0
    assert run(tmp_path / "parts", base, data, **keys).returncode == 0
    assert read_losses(tmp_path / "parts/run") == read_losses(tmp_path / "whole/run")
    whole, parts = (load_file(tmp_path / kind / "run/model/model.safetensors") for kind in ("whole", "parts"))
    assert all(value.equal(parts[name]) for name, value in whole.items())
    result = run(tmp_path / "parts", base, data, **{**keys, "resize_vocab_multiple": 100, "max_steps": 6})
    assert result.returncode == 2 and "resize_vocab: found 600, was 512" in result.stderr, result.stderr


def test_a_run_from_scratch_has_the_grown_vocabulary(tmp_path, base, words):
    result = run(tmp_path, base, write_texts(tmp_path / "a.jsonl", words[0] + words[1]), resize_vocab=True, train_from_scratch=True)
    assert result.returncode == 0, result.stderr
    assert load_file(tmp_path / "run/model/model.safetensors")["model.embed_tokens.weight"].shape[0] == IDS


def test_a_model_with_enough_rows_stays_as_it_is(tmp_path, words):
    result = run(tmp_path, STORIES, write_texts(tmp_path / "a.jsonl", words[0]), resize_vocab=True)
    assert result.returncode == 0 and "resize_vocab" not in result.stderr, result.stderr
    assert json.loads((tmp_path / "run/model/config.json").read_text())["vocab_size"] == IDS


def test_lora_refuses_it(tmp_path, base, words):
    result = run(tmp_path, base, write_texts(tmp_path / "a.jsonl", words[0]), resize_vocab=True, finetuning_type="lora")
    assert result.returncode == 2 and "resize_vocab" in result.stderr, result.stderr


def test_both_names_of_the_size_say_the_same(tmp_path, words):
    base = make_base(tmp_path / "model")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "padded_vocab_size": ROWS}))
    result = run(tmp_path, base, write_texts(tmp_path / "a.jsonl", words[0] + words[1]), resize_vocab=True)
    assert result.returncode == 0, result.stderr
    grown = json.loads((tmp_path / "run/model/config.json").read_text())
    assert grown["vocab_size"] == grown["padded_vocab_size"] == IDS
    assert ingot("generate", "--model", tmp_path / "run/model", "--prompt", "the", "--max-new-tokens", 2).returncode == 0


OTHER = {"content": "[PAD]", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}


@pytest.mark.parametrize("config, mapped", [
    ({"additional_special_tokens": ["<a>", "<b>"]}, {}), ({"extra_special_tokens": ["<a>"], "additional_special_tokens": ["<b>"]}, {}),
    ({"extra_special_tokens": {"image_token": "<a>"}}, {}), ({"image_token": "<a>", "additional_special_tokens": ["<c>"], "pad_token": "[PAD]"}, {}),
    ({"pad_token": {"__type": "AddedToken", **OTHER}, "mask_token": "<m>", "sep_token": "<s2>"}, {}), ({}, {"pad_token": OTHER}),
    ({"pad_token": "<a>"}, {"pad_token": "[PAD]", "additional_special_tokens": ["<b>"]}),
    ({"pad_token": "[PAD]", "added_tokens_decoder": {"512": {**OTHER, "content": "<a>", "special": True}}}, {"cls_token": "<b>"})])
def test_special_tokens_that_the_vocabulary_lacks_get_the_ids_of_transformers(tmp_path, config, mapped):
    model = tmp_path / "model"
    make_folder(model, vocab_size=IDS)
    source = tokenizers.Tokenizer(tokenizers.models.BPE())
    source.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    source.decoder = tokenizers.decoders.ByteLevel()
    source.train_from_iterator(["a b c [ ] < > PAD"], tokenizers.trainers.BpeTrainer(
        special_tokens=[f"<|{i}|>" for i in range(IDS - 256)], vocab_size=IDS, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    source.save(str(model / "tokenizer.json"))
    (model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|0|>", "add_bos_token": True, "bos_token": "<|1|>", **config}))
    (model / "special_tokens_map.json").write_text(json.dumps(mapped))
    text = "x <a><b> <c>y [PAD] <m><s2> <|0|>"
    live = transformers.AutoTokenizer.from_pretrained(model)
    found = json.loads(ingot("tokenize", "--model", model, "--add-special-tokens", text=text + "\n").stdout)
    assert found == live(text)["input_ids"] and max(found) >= IDS
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": text * 30}) + "\n")
    result = run(tmp_path, model, tmp_path / "a.jsonl", resize_vocab=True, resize_vocab_multiple=1)
    assert result.returncode == 0 and f"the tokenizer has {len(live)} ids" in result.stderr, result.stderr
