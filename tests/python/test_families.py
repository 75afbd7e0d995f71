"""The 32 models, one row each: a tiny folder with the published config keys and tensor names, compared with transformers'
native class, the re-layout of one, or the formula."""

import json
import shutil

import huggingface_hub
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from conftest import ROOT, STORIES, ingot, read_losses, write_config
from family_references import (FUSED, native, native_config, random_weights, reference, straight_slopes)
from published_models import MODELS, VARIANTS, config_of, tiny
from test_llama_parity import MAX_GRADIENT_ERROR, MAX_LOGIT_ERROR, agrees, errors, make_request, probe

torch.set_num_threads(1)  # small tensors
ALL = {**MODELS, **VARIANTS}
TOKENIZER = ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json")
# One model a family, for what need not be shown of all 32.
FAMILIES = {m.family: key for key, m in reversed(ALL.items())}
STEPS = 5


def write_weights(m, weights, folder, shard_bytes):
    """As transformers writes them where it has the class, else as huggingface_hub does."""
    if m.family == "baichuan" or m.family.split("-")[0] in FUSED:
        if m.family == "chatglm":  # the published files hold this buffer
            weights = {**weights, "transformer.rotary_pos_emb.inv_freq": torch.rand(m.head_dim // 4).to(torch.float16)}
        huggingface_hub.save_torch_state_dict(weights, folder, max_shard_size=shard_bytes)
        return
    model = transformers.AutoModelForCausalLM.from_config(native_config(m), dtype=getattr(torch, m.dtype))
    model.load_state_dict(native(m, weights), strict=False)
    model.save_pretrained(folder, max_shard_size=shard_bytes)


def make_folder(key, folder):
    """The tiny model of a row: config, weights (in one file or, every other row, in shards) and a tokenizer."""
    m = tiny(ALL[key])
    weights = random_weights(m)
    folder.mkdir(parents=True)
    size = sum(value.nbytes for value in weights.values())
    write_weights(m, weights, folder, size // 3 if list(ALL).index(key) % 2 else 2 * size + 10_000)
    (folder / "config.json").write_text(json.dumps({**config_of(m), "bos_token_id": 1, "eos_token_id": 2}, indent=2))
    for name in TOKENIZER:
        shutil.copy(STORIES / name, folder / name)
    return m, weights


def read_weights(m, folder):
    tensors = {}
    for file in folder.glob("*.safetensors"):
        tensors |= load_file(file)
    return {name: value for name, value in tensors.items() if "inv_freq" not in name}


def is_reopened_with_equal_logits(m, folder, out):
    request = make_request(vocab=m.vocab)
    found = probe(folder, request, out)["logits"]
    wanted = reference(m, read_weights(m, folder), request)["logits"]
    return (found - wanted).abs().max().item() <= MAX_LOGIT_ERROR


def weight_bytes(folder):
    return {file.name: file.read_bytes() for file in folder.glob("model*")}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A few rows of text to train on."""
    file = tmp_path_factory.mktemp("text") / "text.txt"
    file.write_text((ROOT / "README.md").read_text()[:6000])
    return file


@pytest.mark.parametrize("key", ALL)
def test_a_row(tmp_path, text, key):
    """Logits and gradients equal the reference's; a step at rate zero gives back the bytes that came in; five steps lower
    the loss and the export means the same to the reference. Rows differ in precision and recomputation."""
    index = list(ALL).index(key)
    folder, run = tmp_path / "model", tmp_path / "run"
    m, weights = make_folder(key, folder)
    request = make_request(seed=index, vocab=m.vocab)
    found, wanted = probe(folder, request, tmp_path / "out"), reference(m, weights, request)
    assert agrees(found, wanted), errors(found, wanted)
    assert found["loss"].item() == pytest.approx(wanted["loss"].item(), rel=1e-6)

    config = write_config(tmp_path, model_name_or_path=str(folder), dataset=str(text), max_steps=1,
                          learning_rate=0.0, cutoff_len=32, save_steps=0,
                          precision=("fp32", "bf16")[index % 2], recompute=("none", "selective", "full")[index % 3])
    ingot("train", config)
    assert weight_bytes(run / "model") == weight_bytes(folder)
    assert (run / "model/config.json").read_bytes() == (folder / "config.json").read_bytes()

    ingot("train", config, "--set", f"max_steps={1 + STEPS}", "--set", "learning_rate=3e-3")
    losses = read_losses(run)
    assert losses[1 + STEPS] < losses[2]
    assert weight_bytes(run / "model").keys() == weight_bytes(folder).keys()
    assert is_reopened_with_equal_logits(m, run / "model", tmp_path / "trained")


def test_published_sizes_have_the_published_parameters(tmp_path):
    for key, model in ALL.items():
        (tmp_path / key).mkdir()
        (tmp_path / key / "config.json").write_text(json.dumps(config_of(model)))
    counted = probe(tmp_path, {"count": list(ALL)}, tmp_path / "out", answer="count.json")
    assert json.loads(counted.read_text()) == {key: model.parameters for key, model in ALL.items()}


def test_the_table_is_that_of_the_shared_folder(shared):
    lines = [line.split("\t") for line in (shared / "models.tsv").read_text().splitlines()]
    rows = {row[0]: dict(zip(lines[0], row, strict=False)) for row in lines[1:]}
    assert set(MODELS) == set(rows)
    for key, m in MODELS.items():
        row = rows[key]
        stated = [int(row[name]) for name in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                                              "num_key_value_heads", "head_dim", "intermediate_size", "params_total")]
        assert [m.vocab, m.hidden, m.layers, m.heads, m.kv_heads, m.head_dim, m.ffn, m.parameters] == stated, key
        assert (float(row["norm_eps"]), row["tie_word_embeddings"] == "1") == (m.eps, m.tied), key
        if m.family != "baichuan":
            assert float(row["rope_theta"]) == m.theta, key


# What must be noticed: a change of the folder that Ingot reads, the reference staying as it is.

def swap_gate_and_up(m, weights):
    pairs = {"qwen": ("mlp.w1.", "mlp.w2."), "mixtral": (".w1.", ".w3.")}.get(m.family.split("-")[0], ("mlp.gate_proj.", "mlp.up_proj."))
    swapped = {}
    for name, value in weights.items():
        if "dense_h_to_4h" in name or "gate_up_proj" in name:
            value = value.roll(m.ffn, 0)
        for here, there in (pairs, pairs[::-1]):
            if here in name:
                value = weights[name.replace(here, there)]
                break
        swapped[name] = value
    return swapped


def other_pairs(m, value, heads):
    """Reorders the rotated rows of each head as if the other half of the world paired them."""
    rotated = m.head_dim // 2 if m.family in ("chatglm", "glm") else m.head_dim
    by_head = value.unflatten(0, (heads, m.head_dim))
    shape = (rotated // 2, 2) if m.family in ("chatglm", "glm") else (2, rotated // 2)
    turned = by_head[:, :rotated].unflatten(1, shape).transpose(1, 2).flatten(1, 2)
    return torch.cat([turned, by_head[:, rotated:]], 1).flatten(0, 1)


def change_rope_pairs(m, weights):
    """Both matrices and biases of queries; keys stay, as wrong pairs of both would differ less."""
    changed = dict(weights)
    for name, value in weights.items():
        if "q_proj" in name:
            changed[name] = other_pairs(m, value, m.heads)
        elif any(part in name for part in ("c_attn", "query_key_value", "W_pack")):
            changed[name] = torch.cat([other_pairs(m, value[:m.hidden], m.heads), value[m.hidden:]])
    return changed


def drop_biases(m, weights):
    return {name: torch.zeros_like(value) if name.endswith("bias") else value for name, value in weights.items()}


WITH_BIASES = ("qwen2", "qwen", "qwen-august", "chatglm", "glm")
WITH_ROPE = [key for key in FAMILIES if key != "baichuan"]
WRONG_FOLDERS = ([(family, swap_gate_and_up) for family in FAMILIES] + [(family, change_rope_pairs) for family in WITH_ROPE] +
                 [(family, drop_biases) for family in WITH_BIASES])


@pytest.mark.parametrize("family, corrupt", WRONG_FOLDERS, ids=lambda value: getattr(value, "__name__", value))
def test_wrong_weights_are_noticed(tmp_path, family, corrupt):
    m, weights = make_folder(FAMILIES[family], tmp_path / "model")
    for file in (tmp_path / "model").glob("model*"):
        file.unlink()
    wrong = {name: value.contiguous() for name, value in corrupt(m, weights).items()}
    save_file(wrong, tmp_path / "model/model.safetensors", metadata={"format": "pt"})
    request = make_request(vocab=m.vocab)
    logits, gradients = errors(probe(tmp_path / "model", request, tmp_path / "out"), reference(m, weights, request))
    assert logits > MAX_LOGIT_ERROR and gradients > MAX_GRADIENT_ERROR


@pytest.mark.parametrize("wrong", [{"slopes": straight_slopes}, {"norm_head": False}], ids=["slopes", "head"])
def test_another_baichuan_is_noticed(tmp_path, wrong):
    m, weights = make_folder("baichuan2-13b", tmp_path / "model")
    request = make_request(vocab=m.vocab)
    logits, gradients = errors(probe(tmp_path / "model", request, tmp_path / "out"), reference(m, weights, request, **wrong))
    assert logits > MAX_LOGIT_ERROR and gradients > MAX_GRADIENT_ERROR


def test_another_window_is_noticed(tmp_path):
    m, weights = make_folder("mistral-7b-v0.1", tmp_path / "model")
    config = json.loads((tmp_path / "model/config.json").read_text())
    (tmp_path / "model/config.json").write_text(json.dumps({**config, "sliding_window": config["sliding_window"] + 1}))
    request = make_request(vocab=m.vocab)
    logits, gradients = errors(probe(tmp_path / "model", request, tmp_path / "out"), reference(m, weights, request))
    assert logits > MAX_LOGIT_ERROR and gradients > MAX_GRADIENT_ERROR


@pytest.mark.parametrize("family", FAMILIES)
def test_generation_continues_as_the_reference_does(tmp_path, family):
    m, weights = make_folder(FAMILIES[family], tmp_path / "model")
    made = json.loads(ingot("generate", "--model", tmp_path / "model", "--prompt", "Once upon a time there was a",
                            "--max-new-tokens", 16, "--ignore-eos", "--json").stdout)
    ids = made["prompt_ids"] + made["ids"]
    logits = reference(m, weights, {"input_ids": [ids], "labels": [ids]})["logits"]
    assert logits[0, len(made["prompt_ids"]) - 1:-1].argmax(-1).tolist() == made["ids"]


def test_qwen_says_that_long_texts_are_evaluated_otherwise(tmp_path):
    make_folder("qwen-14b", tmp_path / "model")
    longer = tmp_path / "ids.jsonl"
    longer.write_text(json.dumps({"input_ids": [5] * 70}) + "\n")
    assert "seq_length = 64" in ingot("eval", "--model", tmp_path / "model", "--data", longer).stderr
    longer.write_text(json.dumps({"input_ids": [5] * 60}) + "\n")
    assert "seq_length" not in ingot("eval", "--model", tmp_path / "model", "--data", longer).stderr
