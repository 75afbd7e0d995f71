"""How tokens are chosen: generation_config.json as the defaults of a chat, and transformers' generate beside ours."""

import collections
import json
import shutil

import pytest
import torch
import transformers

from conftest import STORIES, ingot, write_config
from test_llama_parity import make_folder

TEXT = "Once upon a time there was a little girl"


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(STORIES, folder)
    return folder


def say(model, generation):
    (model / "generation_config.json").write_text(json.dumps(generation))


def generated(model, *flags):
    return json.loads(ingot("generate", "--model", model, "--prompt", TEXT, "--json", "--max-new-tokens", 60, "--ignore-eos", *flags).stdout)


def chosen_by(model, *flags):
    """What --verbose tells, by setting."""
    told = ingot("generate", "--model", model, "--chat", "--template", "alpaca", "--prompt", "Hi", "--max-new-tokens", 1, "--verbose", *flags).stderr
    line, = [line for line in told.splitlines() if "tokens are chosen by" in line]
    settings = dict(part.split(" ", 1) for part in line.split("tokens are chosen by ")[1].split(", "))
    return {name: (float(value.split(" ")[0]), value.split("(")[1].rstrip(")")) for name, value in settings.items()}


@pytest.mark.parametrize("penalty", [1.05, 1.3, 2.0, 0.8])
def test_a_repetition_penalty_gives_the_tokens_of_transformers(penalty):
    found = generated(STORIES, "--repetition-penalty", penalty)
    reference = transformers.AutoModelForCausalLM.from_pretrained(STORIES, dtype=torch.float32)
    prompt = torch.tensor([found["prompt_ids"]])
    settings = {"max_new_tokens": 60, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    wanted = reference.generate(prompt, **settings, repetition_penalty=penalty)[0, prompt.shape[1]:].tolist()
    assert found["ids"] == wanted
    assert found["ids"] != generated(STORIES)["ids"], "the penalty changes nothing: the comparison would say little"


def test_without_a_file_the_likeliest_token_is_taken(model):
    assert chosen_by(model) == {"temperature": (0, "default"), "top_k": (0, "default"), "top_p": (1, "default"), "repetition_penalty": (1, "default")}


def test_the_file_says_how_a_chat_chooses_and_flags_stand_above_it(model):
    say(model, {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05})
    file = "generation_config.json"
    assert chosen_by(model) == {"temperature": (0.7, file), "top_k": (20, file), "top_p": (0.8, file), "repetition_penalty": (1.05, file)}
    flags = ["--temperature", 0, "--top-k", 3, "--repetition-penalty", 1]
    line = "the command line"
    assert chosen_by(model, *flags) == {"temperature": (0, line), "top_k": (3, line), "top_p": (0.8, file), "repetition_penalty": (1, line)}


def test_a_file_that_does_not_sample_takes_the_likeliest_token(model):
    say(model, {"temperature": 0.7, "repetition_penalty": 1.1})
    assert chosen_by(model)["temperature"] == (0, "default") and chosen_by(model)["repetition_penalty"] == (1.1, "generation_config.json")
    say(model, {"do_sample": True})
    silent = chosen_by(model)
    assert silent["temperature"] == (1, "generation_config.json") and silent["top_k"] == (50, "generation_config.json")
    stated = transformers.GenerationConfig._get_default_generation_params()
    assert (silent["temperature"][0], silent["top_k"][0], silent["top_p"][0]) == (stated["temperature"], stated["top_k"], stated["top_p"])


def test_a_chat_does_what_its_file_says(model):
    flags = ["generate", "--model", model, "--chat", "--template", "alpaca", "--prompt", "Tell me a story", "--json", "--max-new-tokens", 40, "--ignore-eos"]
    ids = lambda *more: json.loads(ingot(*flags, *more).stdout)["ids"]
    plain = ids()
    say(model, {"repetition_penalty": 1.4})
    assert ids() == ids("--repetition-penalty", 1.4) != plain
    say(model, {"do_sample": True, "temperature": 1.5, "top_k": 50})
    assert ids() == ids("--temperature", 1.5, "--top-k", 50) != ids("--seed", 7)


def test_a_text_is_continued_by_the_flags_alone(model):
    plain = generated(model)
    say(model, {"do_sample": True, "temperature": 1.5, "repetition_penalty": 1.4})
    assert generated(model) == plain


@pytest.mark.parametrize("wrong, key", [({"repetition_penalty": 0}, "repetition_penalty"), ({"top_p": 1.5}, "top_p"), ({"temperature": "hot"}, "temperature")])
def test_a_file_that_says_nonsense_is_named(model, wrong, key):
    say(model, wrong)
    result = ingot("generate", "--model", model, "--chat", "--template", "alpaca", "--prompt", "Hi", check=False)
    assert result.returncode == 2 and "generation_config.json" in result.stderr and key in result.stderr, result.stderr


@pytest.mark.parametrize("chosen", [{"top_k": -1}, {"top_p": 2}, {"temperature": -1}, {"repetition_penalty": 0}, {"do_sample": "true"}, {"eos_token_id": -1}])
def test_what_only_a_chat_needs_is_read_by_a_chat_alone(model, tmp_path, chosen):
    say(model, chosen)
    text = tmp_path / "a.txt"
    text.write_text(TEXT)
    ingot("eval", "--model", model, "--data", text)
    ingot("train", write_config(tmp_path, model_name_or_path=str(model), max_steps=1))
    result = ingot("generate", "--model", model, "--chat", "--template", "alpaca", "--prompt", "Hi", "--max-new-tokens", 1, check=False)
    assert result.returncode == (0 if "eos_token_id" in chosen else 2), result.stderr


def test_a_share_of_nothing_takes_the_likeliest_token(model):
    chat = ("generate", "--model", model, "--chat", "--template", "alpaca", "--prompt", "Hi", "--json", "--max-new-tokens", 8)
    say(model, {"do_sample": False})
    likeliest = ingot(*chat).stdout
    say(model, {"do_sample": True, "top_p": 0})
    assert ingot(*chat).stdout == likeliest


def test_draws_follow_transformers_chain_of_penalty_temperature_top_k_and_top_p():
    """With temperature behind top_p fewer tokens would be kept, which is the control."""
    count = 1500
    done = ingot("generate", "--model", STORIES, "--chat", "--template", "empty", "--json", "--max-new-tokens", 1, "--ignore-eos",
                 "--temperature", 2, "--top-k", 12, "--top-p", 0.8, "--repetition-penalty", 1.5, text="Lily saw a dog. Lily\n/reset\n" * count)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    prompt = torch.tensor([answers[0]["prompt_ids"]])
    steps = [transformers.RepetitionPenaltyLogitsProcessor(1.5), transformers.TemperatureLogitsWarper(2.0), transformers.TopKLogitsWarper(12),
             transformers.TopPLogitsWarper(0.8)]
    with torch.no_grad():
        logits = transformers.LlamaForCausalLM.from_pretrained(STORIES, dtype=torch.float32)(prompt).logits[:, -1]
    chains = [transformers.LogitsProcessorList([steps[i] for i in order]) for order in ((0, 1, 2, 3), (0, 2, 3, 1))]
    wanted, other = (chain(prompt, logits).softmax(-1)[0] for chain in chains)
    drawn = collections.Counter(answer["ids"][0] for answer in answers)
    assert len(answers) == count and set(drawn) == set(wanted.nonzero().flatten().tolist()) != set(other.nonzero().flatten().tolist())
    for token, times in drawn.items():
        assert times / count == pytest.approx(wanted[token].item(), abs=0.05)


@pytest.mark.parametrize("stop", [0, 5, 11])
def test_every_end_of_the_file_ends_an_answer(model, stop):
    ids = generated(model)["ids"]
    token = ids[stop]
    say(model, {"eos_token_id": [token, 511]})
    made = json.loads(ingot("generate", "--model", model, "--prompt", TEXT, "--json", "--max-new-tokens", 60).stdout)["ids"]
    assert made == ids[:ids.index(token) + 1]


def test_precision_is_chosen_as_training_chooses_it(tmp_path):
    make_folder(tmp_path / "a", vocab_size=512)
    for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(STORIES / name, tmp_path / "a" / name)
    data = tmp_path / "a.txt"
    data.write_text("Once upon a time.")
    for command in (["generate", "--model", tmp_path / "a", "--prompt", "Hi", "--max-new-tokens", 1], ["eval", "--model", tmp_path / "a", "--data", data]):
        assert "precision: " in ingot(*command, "--precision", "auto").stderr
        assert "precision: " not in ingot(*command, "--precision", "fp32").stderr


UNBUILT = {"no_repeat_ngram_size": 2, "suppress_tokens": [407], "begin_suppress_tokens": [407], "bad_words_ids": [[407]], "forced_eos_token_id": 2,
           "forced_bos_token_id": 5, "encoder_repetition_penalty": 1.2, "penalty_alpha": 0.6, "min_new_tokens": 5, "min_length": 5, "guidance_scale": 1.5,
           "num_beams": 4, "stop_strings": ["a"], "sequence_bias": [[[5], 1.0]], "exponential_decay_length_penalty": [5, 1.1]}
DRAWS = {"min_p": 0.1, "typical_p": 0.9, "epsilon_cutoff": 0.1, "eta_cutoff": 0.1}
LEFT_OUT = "asks for what is not supported and left out: "


def left_out(model, generation, chat=True):
    """What the one line names of a file, by key."""
    say(model, generation)
    flags = ["--chat", "--template", "alpaca"] if chat else []
    told = ingot("generate", "--model", model, *flags, "--prompt", "Hi", "--max-new-tokens", 1).stderr
    lines = [line for line in told.splitlines() if LEFT_OUT in line]
    assert len(lines) <= 1, lines
    return lines[0].split(LEFT_OUT)[1] if lines else ""


def test_what_would_choose_other_tokens_and_is_not_built_is_said(model):
    for key, value in UNBUILT.items():
        assert left_out(model, {key: value}) == f"{key} {json.dumps(value, separators=(',', ':'))}"
    for key, value in DRAWS.items():
        assert left_out(model, {key: value, "do_sample": True}) == f"{key} {value}" and left_out(model, {key: value}) == ""
    assert left_out(model, {"num_beams": 2, "length_penalty": 0.5}) == "num_beams 2, length_penalty 0.5"
    assert left_out(model, {"length_penalty": 0.5}) == "" and left_out(model, UNBUILT, chat=False) == ""
    assert all(key in left_out(model, UNBUILT) for key in UNBUILT)


def test_values_that_change_nothing_are_not_said(model):
    neutral = transformers.GenerationConfig._get_default_generation_params()
    assert left_out(model, {**neutral, "do_sample": True, "suppress_tokens": [], "min_p": None, "eos_token_id": 2, "max_length": 4096}) == ""
