"""Live parity of the Llama family with transformers: logits, loss and every gradient, on random shapes."""

import json
import os
import pathlib
import subprocess

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from safetensors.torch import load_file, save_file  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROBE = pathlib.Path(os.environ.get("INGOT_MODEL_PROBE", ROOT / "build/release/bin/model_probe"))
MAX_LOGIT_ERROR, MAX_GRADIENT_ERROR = 2e-5, 1e-4
# bfloat16 keeps 8 bits: both sides round after every operation, in different places, so they are held to a multiple of
# the distance between transformers in bfloat16 and in float32 on the same weights.
MAX_BFLOAT16_RATIO = 1.5

LLAMA3_ROPE = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 32}
SHAPES = {
    "plain": {},
    "grouped_queries": {"num_attention_heads": 6, "num_key_value_heads": 2, "hidden_size": 48, "head_dim": 8},
    "one_kv_head_tied": {"num_key_value_heads": 1, "tie_word_embeddings": True},
    "wide_head": {"head_dim": 24, "num_hidden_layers": 1},
    "narrow_head_tied": {"head_dim": 4, "tie_word_embeddings": True, "num_hidden_layers": 3},
    "llama3_rope": {"rope_scaling": LLAMA3_ROPE, "rope_theta": 500000.0, "num_hidden_layers": 3},
    "linear_rope": {"rope_scaling": {"rope_type": "linear", "factor": 4.0}, "rope_theta": 1000.0},
    "attention_bias": {"attention_bias": True, "num_key_value_heads": 2},
    "all_biases_tied": {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    "large_eps": {"rms_norm_eps": 1e-3, "num_hidden_layers": 1, "intermediate_size": 37},
}


def make_folder(folder, seed=0, **changes):
    """A random Llama in the present spelling of transformers; biases and norms are random too. Returns the model."""
    settings = {"vocab_size": 131, "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2,
                "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 256,
                "initializer_range": 0.15, **changes}
    settings["rope_parameters"] = {"rope_type": "default", **settings.pop("rope_scaling", {}),
                                   "rope_theta": settings.pop("rope_theta", 10000.0)}
    torch.manual_seed(seed)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**settings)).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() == 1:
                value.copy_(torch.randn_like(value) * 0.2 + ("norm" in name))
    model.save_pretrained(folder)
    return model


def rewrite_old_spelling(folder):
    """config.json as transformers 4 wrote it."""
    config = json.loads((folder / "config.json").read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else {"type": rope.pop("rope_type"), **rope}
    config["torch_dtype"] = config.pop("dtype")
    (folder / "config.json").write_text(json.dumps(config))


def make_request(seed=0, rows=2, length=45, vocab=131, **extra):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(vocab, (rows, length), generator=generator)
    labels = torch.full_like(ids, -100)
    labels[:, :-1] = ids[:, 1:]
    labels[0, 3:9] = -100
    return {"input_ids": ids.tolist(), "labels": labels.tolist(), **extra}


def probe(folder, request, out, answer="model.safetensors"):
    """The tensors of the answer, or the path of another file."""
    if not PROBE.exists():
        pytest.skip(f"{PROBE} is not built")
    file = out.with_suffix(".json")
    file.write_text(json.dumps(request))
    subprocess.run([PROBE, folder, file, out], check=True, timeout=120)
    return load_file(out / answer) if answer.endswith("safetensors") else out / answer


def reference(model, request):
    """What the probe answers, by transformers in the model's dtype."""
    model.zero_grad()
    logits = model(input_ids=torch.tensor(request["input_ids"])).logits
    labels = torch.tensor(request["labels"])
    loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), reduction="sum")
    loss.backward()
    gradients = {f"grad.{name}": value.grad.float() for name, value in model.named_parameters()}
    return {"logits": logits.detach().float(), "loss": loss.detach().view(1).float(), **gradients}


def relative_error(found, wanted):
    return ((found - wanted).norm() / wanted.norm().clamp_min(1e-12)).item()


def errors(found, wanted):
    """Largest logit difference, and the largest relative error over the gradients."""
    assert found.keys() == wanted.keys()
    gradients = [relative_error(found[name], wanted[name]) for name in wanted if name.startswith("grad.")]
    return (found["logits"] - wanted["logits"]).abs().max().item(), max(gradients)


def agrees(found, wanted):
    logits, gradients = errors(found, wanted)
    return logits <= MAX_LOGIT_ERROR and gradients <= MAX_GRADIENT_ERROR


def expect_near_to_float32(model, folder, reference):
    """In bfloat16 Ingot is as near to float32 as transformers is. `model` is in bfloat16; `reference` gives its answers."""
    model.save_pretrained(folder / "model")
    request = make_request(dtype="bfloat16")
    found, theirs = probe(folder / "model", request, folder / "out"), reference(model, request)
    exact = reference(model.float(), request)
    for name in exact:
        allowed = MAX_BFLOAT16_RATIO * relative_error(theirs[name], exact[name]) + 2e-3
        assert relative_error(found[name], exact[name]) <= allowed, name


def expect_packed_as_separate(model, folder):
    """Two documents in one row have the logits of each by itself. `model` is the one in folder / "model"."""
    request = make_request(rows=1, length=40)
    request["positions"] = [[*range(13), *range(27)]]
    request["segment_starts"] = [0, 13, 40]
    found = probe(folder / "model", request, folder / "out")["logits"]
    ids = torch.tensor(request["input_ids"])
    wanted = torch.cat([model(input_ids=ids[:, :13]).logits, model(input_ids=ids[:, 13:]).logits], dim=1)
    assert (found - wanted).abs().max().item() <= MAX_LOGIT_ERROR


@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
@pytest.mark.parametrize("shape", SHAPES)
def test_random_shapes_equal_transformers(tmp_path, shape, recompute):
    model = make_folder(tmp_path / "model", seed=len(shape), **SHAPES[shape])
    request = make_request(seed=len(shape), recompute=recompute)
    found, wanted = probe(tmp_path / "model", request, tmp_path / "out"), reference(model, request)
    assert agrees(found, wanted), errors(found, wanted)
    assert found["loss"].item() == pytest.approx(wanted["loss"].item(), rel=1e-6)


@pytest.mark.parametrize("shape", ["plain", "llama3_rope", "linear_rope"])
def test_the_old_config_spelling_means_the_same(tmp_path, shape):
    model = make_folder(tmp_path / "model", **SHAPES[shape])
    rewrite_old_spelling(tmp_path / "model")
    request = make_request()
    assert agrees(probe(tmp_path / "model", request, tmp_path / "out"), reference(model, request))


def test_mistral_without_a_window_is_a_llama(tmp_path):
    torch.manual_seed(1)
    model = transformers.MistralForCausalLM(transformers.MistralConfig(
        vocab_size=131, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, sliding_window=None, initializer_range=0.15)).eval()
    model.save_pretrained(tmp_path / "model")
    request = make_request()
    assert agrees(probe(tmp_path / "model", request, tmp_path / "out"), reference(model, request))


@pytest.mark.parametrize("shape", ["grouped_queries", "llama3_rope", "all_biases_tied"])
def test_bfloat16_is_as_near_to_float32_as_transformers_is(tmp_path, shape):
    model = make_folder(tmp_path / "model", **SHAPES[shape]).to(torch.bfloat16)
    expect_near_to_float32(model, tmp_path, reference)


def test_packed_documents_equal_separate_rows(tmp_path):
    model = make_folder(tmp_path / "model", **SHAPES["grouped_queries"])
    expect_packed_as_separate(model, tmp_path)


def test_stories260k_equals_its_golden_file(tmp_path, shared):
    folder = shared / "tiny-models/stories260K-llama"
    golden = json.loads((folder / "golden.json").read_text())
    for entry in golden["logits"]:
        ids = entry["ids"]
        request = {"input_ids": [ids], "labels": [ids[1:] + [-100]]}
        found = probe(folder, request, tmp_path / "out")
        assert (found["logits"][0, -1] - torch.tensor(entry["last_logits"])).abs().max().item() <= 1e-4
        assert found["loss"].item() / (len(ids) - 1) == pytest.approx(entry["mean_nll"], rel=1e-5)
    for entry in golden["greedy"]:
        ids = entry["greedy_ids"]
        found = probe(folder, {"input_ids": [ids], "labels": [ids]}, tmp_path / "out")
        continued = len(entry["prompt_ids"])
        assert found["logits"][0, continued - 1:-1].argmax(-1).tolist() == ids[continued:]


def interleave_rope(folder):
    """Reorders q and k rows as for interleaved rotation."""
    weights = load_file(folder / "model.safetensors")
    for name, value in weights.items():
        if "q_proj" in name or "k_proj" in name:
            pairs = value.view(-1, 2, 4, value.shape[1])  # heads of 8 rows
            weights[name] = pairs.transpose(1, 2).reshape(value.shape).contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def change_eps(folder):
    config = json.loads((folder / "config.json").read_text())
    config["rms_norm_eps"] *= 10
    (folder / "config.json").write_text(json.dumps(config))


def drop_score_scale(folder):
    """Multiplies queries by sqrt(head_dim), which undoes the scaling of the scores."""
    weights = load_file(folder / "model.safetensors")
    scaled = {name: value * 8 ** 0.5 if "q_proj" in name else value for name, value in weights.items()}
    save_file(scaled, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("corrupt", [interleave_rope, change_eps, drop_score_scale])
def test_a_wrong_model_is_noticed(tmp_path, corrupt):
    model = make_folder(tmp_path / "model")
    corrupt(tmp_path / "model")
    request = make_request()
    logits, gradients = errors(probe(tmp_path / "model", request, tmp_path / "out"), reference(model, request))
    assert logits > MAX_LOGIT_ERROR and gradients > MAX_GRADIENT_ERROR
