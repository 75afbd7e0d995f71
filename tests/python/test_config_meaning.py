"""What a config.json means that leaves keys out, states them twice or stretches rope, against the installed transformers."""

import json
import shutil

import pytest
import torch
import transformers
from conftest import STORIES, ingot
from test_llama_parity import make_request, probe, reference

CLASSES = {"llama": (transformers.LlamaConfig, "LlamaForCausalLM"), "mistral": (transformers.MistralConfig, "MistralForCausalLM"),
           "mixtral": (transformers.MixtralConfig, "MixtralForCausalLM"), "qwen2": (transformers.Qwen2Config, "Qwen2ForCausalLM"),
           "glm": (transformers.GlmConfig, "GlmForCausalLM")}
SIZES = {"vocab_size": 131, "hidden_size": 64, "intermediate_size": 56, "num_hidden_layers": 2, "num_attention_heads": 32,
         "num_key_value_heads": 8, "head_dim": 4, "max_position_embeddings": 99, "rms_norm_eps": 1e-3, "rope_theta": 7e5,
         "initializer_range": 0.5, "tie_word_embeddings": True, "bos_token_id": 5, "eos_token_id": 6}
OWN = {"llama": {"attention_bias": True, "mlp_bias": True}, "mistral": {"sliding_window": 17},
       "mixtral": {"sliding_window": 17, "num_local_experts": 4, "num_experts_per_tok": 3},
       "qwen2": {"use_sliding_window": True, "sliding_window": 17, "max_window_layers": 1},
       "glm": {"attention_bias": False, "partial_rotary_factor": 1.0}}


def described(folder, configs):
    """What each of the config.json's is read as, in their order."""
    names = [str(i) for i in range(len(configs))]
    for name, config in zip(names, configs):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))
    read = json.loads(probe(folder, {"describe": names}, folder / "out", "describe.json").read_text())
    return [read[name] for name in names]


def wanted(config):
    """The same facts of transformers' config."""
    rope = config.rope_parameters
    heads = config.num_attention_heads
    facts = {key: getattr(config, key) for key in (
        "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings",
        "rms_norm_eps", "initializer_range", "tie_word_embeddings", "bos_token_id")}
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    facts.update(
        num_key_value_heads=config.num_key_value_heads or heads,
        head_dim=getattr(config, "head_dim", None) or config.hidden_size // heads,
        rope_theta=rope["rope_theta"], rope_type=rope["rope_type"], partial_rotary_factor=rope.get("partial_rotary_factor", 1.0),
        sliding_window=(window or 0) if kinds is None or kinds[-1] == "sliding_attention" else 0,
        num_local_experts=getattr(config, "num_local_experts", 0), num_experts_per_tok=getattr(config, "num_experts_per_tok", 0),
        attention_bias=config.model_type == "qwen2" or getattr(config, "attention_bias", False), mlp_bias=getattr(config, "mlp_bias", False),
        eos_token_id=[] if config.eos_token_id is None else config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id])
    return facts


@pytest.mark.parametrize("family", CLASSES)
def test_a_key_that_is_left_out_takes_the_default_of_the_family(tmp_path, family):
    kind, architecture = CLASSES[family]
    whole = {**SIZES, **OWN[family]}
    cases = []
    for left_out in [None, *whole]:
        stated = {key: value for key, value in whole.items() if key != left_out}
        if left_out == "hidden_size":
            stated.pop("head_dim")
        try:
            reference_config = kind(**stated)
        except Exception:  # the default does not fit the other sizes: nothing to compare with
            continue
        facts = wanted(reference_config)
        if facts["num_attention_heads"] % facts["num_key_value_heads"]:
            continue
        cases.append((left_out, facts, {"model_type": family, "architectures": [architecture], **stated}))
    assert len(cases) > len(whole) / 2
    for (left_out, facts, _), found in zip(cases, described(tmp_path, [config for _, _, config in cases])):
        assert found == {**facts, **{key: pytest.approx(facts[key]) for key in ("rms_norm_eps", "rope_theta")}}, left_out


# Defaults of the makers' own classes, which transformers has not: configuration_chatglm.py (ChatGLM2, ChatGLM3, GLM-4),
# configuration_qwen.py (since Qwen-14B), configuration_baichuan.py (7B and 13B are two classes of one name: their sizes are stated).
THEIR_OWN = {
    "chatglm": ("ChatGLMModel", {"padded_vocab_size": ("vocab_size", 65024), "hidden_size": ("hidden_size", 4096), "num_layers": ("num_hidden_layers", 28),
                                 "num_attention_heads": ("num_attention_heads", 32), "ffn_hidden_size": ("intermediate_size", 13696), "kv_channels": ("head_dim", 128),
                                 "seq_length": ("max_position_embeddings", 2048), "layernorm_epsilon": ("rms_norm_eps", 1e-5), "rope_ratio": ("rope_theta", 1e4),
                                 "multi_query_group_num": ("num_key_value_heads", 1), "add_qkv_bias": ("attention_bias", False)}),
    "qwen": ("QWenLMHeadModel", {"vocab_size": ("vocab_size", 151936), "hidden_size": ("hidden_size", 4096), "num_hidden_layers": ("num_hidden_layers", 32),
                                 "num_attention_heads": ("num_attention_heads", 32), "intermediate_size": ("intermediate_size", 11008), "kv_channels": ("head_dim", 128),
                                 "max_position_embeddings": ("max_position_embeddings", 8192), "layer_norm_epsilon": ("rms_norm_eps", 1e-6),
                                 "rotary_emb_base": ("rope_theta", 1e4), "rotary_pct": ("partial_rotary_factor", 1.0), "initializer_range": ("initializer_range", 0.02)}),
    "baichuan": ("BaichuanForCausalLM", {"rms_norm_eps": ("rms_norm_eps", 1e-6), "model_max_length": ("max_position_embeddings", 4096),
                                         "bos_token_id": ("bos_token_id", 1), "eos_token_id": ("eos_token_id", [2]), "initializer_range": ("initializer_range", 0.02)}),
}
STATED = {"chatglm": {"padded_vocab_size": 131, "hidden_size": 64, "num_layers": 2, "num_attention_heads": 4, "ffn_hidden_size": 56, "kv_channels": 16, "seq_length": 99,
                      "layernorm_epsilon": 1e-3, "rope_ratio": 70, "multi_query_attention": True, "multi_query_group_num": 2, "add_qkv_bias": True},
          "qwen": {"vocab_size": 131, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 112, "kv_channels": 16,
                   "max_position_embeddings": 99, "layer_norm_epsilon": 1e-3, "rotary_emb_base": 7e5, "rotary_pct": 0.5, "initializer_range": 0.5, "seq_length": 50},
          "baichuan": {"vocab_size": 131, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 56, "model_max_length": 99,
                       "rms_norm_eps": 1e-3, "bos_token_id": 5, "eos_token_id": 6, "initializer_range": 0.5}}


@pytest.mark.parametrize("family", THEIR_OWN)
def test_a_family_that_transformers_has_not_takes_its_makers_defaults(tmp_path, family):
    architecture, defaults = THEIR_OWN[family]
    cases = [STATED[family], *({name: given for name, given in STATED[family].items() if name != key} for key in defaults)]
    whole, *all_without = described(tmp_path, [{"model_type": family, "architectures": [architecture], **stated} for stated in cases])
    for (key, (fact, value)), without in zip(defaults.items(), all_without):
        assert without[fact] == pytest.approx(value) and whole[fact] != without[fact], key
        others = whole.keys() - {fact, "num_key_value_heads"}  # of Qwen as many as heads
        assert {name: without[name] for name in others} == {name: whole[name] for name in others}, key


def test_of_two_statements_the_one_that_transformers_takes(tmp_path):
    both = {**SIZES, **OWN["llama"], "rope_scaling": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5e4},
            "rope_parameters": {"rope_type": "llama3", "factor": 8.0, "rope_theta": 9e4, "low_freq_factor": 1.0,
                                "high_freq_factor": 4.0, "original_max_position_embeddings": 32}}
    [found] = described(tmp_path, [{"model_type": "llama", "architectures": ["LlamaForCausalLM"], **both}])
    rope = transformers.LlamaConfig(**both).rope_parameters
    assert (found["rope_type"], found["rope_theta"]) == (rope["rope_type"], rope["rope_theta"]) == ("linear", 5e4)


ROPES = {
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32},
    "yarn_of_the_whole_length": {"rope_type": "yarn", "factor": 4.0},
    "yarn_with_everything": {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 16, "beta_fast": 20.0,
                             "beta_slow": 2.0, "truncate": False, "mscale": 0.7, "mscale_all_dim": 0.3},
    "yarn_truncate_null": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "truncate": None},
    "yarn_attention_factor": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "attention_factor": 1.3},
    "dynamic": {"rope_type": "dynamic", "factor": 2.0},
    "dynamic_of_four": {"rope_type": "dynamic", "factor": 4.0},
    "linear": {"rope_type": "linear", "factor": 3.0},
}
SHAPES = {"llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM), "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM)}


def stretched(folder, family, rope, length=32):
    config, model = SHAPES[family]
    torch.manual_seed(3)
    made = model(config(vocab_size=131, hidden_size=48, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                        max_position_embeddings=length, initializer_range=0.15, rope_parameters={**rope, "rope_theta": 10000.0})).eval()
    made.save_pretrained(folder)
    return made


@pytest.mark.parametrize("family", SHAPES)
@pytest.mark.parametrize("name", ROPES)
def test_stretched_rope_at_four_times_the_length(tmp_path, family, name):
    model = stretched(tmp_path / "model", family, ROPES[name])
    request = make_request(rows=1, length=128)
    logits = reference(model, request)["logits"]
    found = probe(tmp_path / "model", request, tmp_path / "out")["logits"]
    assert (found - logits).abs().max() <= 2e-5
    # Control: plain rope, and a wrong attention factor, are told apart by the same bound.
    for wrong in ({"rope_type": "default"}, {**ROPES["yarn_attention_factor"], "attention_factor": 1.31}):
        shutil.copytree(tmp_path / "model", tmp_path / "wrong", dirs_exist_ok=True)
        config = json.loads((tmp_path / "model/config.json").read_text())
        config["rope_parameters"] = {**wrong, "rope_theta": 10000.0}
        (tmp_path / "wrong/config.json").write_text(json.dumps(config))
        assert (probe(tmp_path / "wrong", request, tmp_path / "wrong_out")["logits"] - logits).abs().max() > 2e-5


def test_a_pack_has_the_logits_of_its_samples_with_dynamic_rope(tmp_path):
    stretched(tmp_path / "model", "llama", ROPES["dynamic"])
    long, short = make_request(seed=1, rows=1, length=100), make_request(seed=2, rows=1, length=20)
    pack = {"input_ids": [long["input_ids"][0] + short["input_ids"][0]], "labels": [[0] * 120],
            "positions": [[*range(100), *range(20)]], "segment_starts": [0, 100, 120]}
    packed = probe(tmp_path / "model", pack, tmp_path / "pack")["logits"]
    for part, request in ((packed[:, :100], long), (packed[:, 100:], short)):
        assert (part - probe(tmp_path / "model", request, tmp_path / "one")["logits"]).abs().max() <= 2e-5


def small(folder, family, **changes):
    """A random model of a family that transformers has; `changes` are keys of its config.json, None states null."""
    torch.manual_seed(5)
    config = CLASSES[family][0](vocab_size=131, hidden_size=48, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                                head_dim=12, max_position_embeddings=99, initializer_range=0.3, pad_token_id=None, bos_token_id=1, eos_token_id=2,
                                **({"num_local_experts": 4} if family == "mixtral" else {}))
    getattr(transformers, CLASSES[family][1])(config).save_pretrained(folder)
    stated = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**{key: value for key, value in stated.items() if key not in ("layer_types", "rope_parameters")}, **changes}))
    return folder


def compared(folder):
    """Logits of ingot and of whatever transformers opens."""
    request = make_request(rows=1, length=40)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        return probe(folder, request, folder / "out")["logits"], model(torch.tensor(request["input_ids"])).logits


SLIDING, FULL = "sliding_attention", "full_attention"


@pytest.mark.parametrize("family, changes", [
    ("glm", {"rope_scaling": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4, "partial_rotary_factor": 1.0}}),
    ("glm", {"rope_scaling": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}), ("glm", {}),
    ("glm", {"partial_rotary_factor": 1.0}), ("glm", {"partial_rotary_factor": None}),
    ("glm", {"partial_rotary_factor": 0.5, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 1.0}}),
    *((family, {"partial_rotary_factor": 0.5}) for family in ("llama", "mistral", "mixtral", "qwen2")),
    ("qwen2", {"use_sliding_window": True, "sliding_window": None, "max_window_layers": 0}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1, "layer_types": [SLIDING, FULL]}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 9, "layer_types": [SLIDING, SLIDING]}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "layer_types": [FULL, FULL]}),
    ("mistral", {"sliding_window": 8, "layer_types": [SLIDING, FULL]}), ("mistral", {"sliding_window": 8, "layer_types": [FULL, SLIDING]}),
    ("mistral", {"sliding_window": 8, "layer_types": [FULL, FULL]}), ("mistral", {"sliding_window": 8}),
])
def test_a_config_gives_the_logits_of_transformers(tmp_path, family, changes):
    found, wanted = compared(small(tmp_path / "model", family, **changes))
    assert (found - wanted).abs().max() <= 2e-5 * max(1, wanted.abs().max())


def test_a_share_of_a_head_that_a_family_does_not_know_is_said(tmp_path):
    request = make_request(rows=1, length=8)
    small(tmp_path / "model", "llama", partial_rotary_factor=0.5)
    (tmp_path / "ids.jsonl").write_text(json.dumps({"input_ids": request["input_ids"][0]}) + "\n")
    shutil.copy(STORIES / "tokenizer.model", tmp_path / "model")
    said = ingot("eval", "--model", tmp_path / "model", "--data", tmp_path / "ids.jsonl").stderr
    assert "config.json: states partial_rotary_factor 0.5" in said and "it changes nothing" in said, said


@pytest.mark.parametrize("changes", [{"use_sliding_window": False, "layer_types": [SLIDING, FULL]}, {"layer_types": [FULL]}, {"layer_types": [FULL, "chunked_attention"]},
                                     {"use_sliding_window": True, "sliding_window": None, "layer_types": [SLIDING, FULL]}])
def test_kinds_of_attention_that_transformers_cannot_open_are_refused(tmp_path, changes):
    folder = small(tmp_path / "model", "qwen2", **changes)
    shutil.copy(STORIES / "tokenizer.model", folder)
    result = ingot("generate", "--model", folder, "--prompt", "a", check=False)
    assert result.returncode == 2 and "layer_types" in result.stderr, result.stderr


@pytest.mark.parametrize("key", ["eos_token_id", "bos_token_id"])
def test_a_token_of_null_is_what_transformers_makes_of_it(tmp_path, key):
    stated = {family: {**SIZES, **OWN[family], key: None} for family in CLASSES}
    found = described(tmp_path, [{"model_type": family, "architectures": [CLASSES[family][1]], **stated[family]} for family in CLASSES])
    assert [one[key] for one in found] == [wanted(CLASSES[family][0](**stated[family]))[key] for family in CLASSES]
