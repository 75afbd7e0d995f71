"""Values in config.json that cannot be: exit code 2 with the field named, before memory is asked for. ./test tries each size of each
family once, ./test --long in ten ways."""

import json
import random
import resource
import shutil
import subprocess

import pytest
from conftest import INGOT, LONG, ROOT, STORIES, ingot, write_config

CONFIG, DATA = 2, 3
MEMORY = 6 << 30
LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 512, "hidden_size": 64, "num_hidden_layers": 2,
         "num_attention_heads": 8, "num_key_value_heads": 4, "intermediate_size": 172, "max_position_embeddings": 512}
CHATGLM = {"architectures": ["ChatGLMModel"], "model_type": "chatglm", "padded_vocab_size": 512, "hidden_size": 64, "num_layers": 2,
           "num_attention_heads": 8, "multi_query_group_num": 2, "multi_query_attention": True, "ffn_hidden_size": 172,
           "kv_channels": 8, "seq_length": 512, "rmsnorm": True, "add_qkv_bias": True, "original_rope": True, "post_layer_norm": True}
QWEN = {"architectures": ["QWenLMHeadModel"], "model_type": "qwen", "vocab_size": 512, "hidden_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 8, "intermediate_size": 344, "seq_length": 512, "kv_channels": 8, "no_bias": True}
BAICHUAN = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"} | {
    "architectures": ["BaichuanForCausalLM"], "model_type": "baichuan", "vocab_size": 64000}
FAMILIES = {
    "llama": LLAMA,
    "mistral": LLAMA | {"architectures": ["MistralForCausalLM"], "model_type": "mistral"},
    "qwen2": LLAMA | {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"},
    "mixtral": LLAMA | {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2},
    "glm": LLAMA | {"architectures": ["GlmForCausalLM"], "model_type": "glm", "head_dim": 8},
    "baichuan": BAICHUAN, "chatglm": CHATGLM, "qwen": QWEN,
}
SIZES = {"vocab_size", "padded_vocab_size", "hidden_size", "num_hidden_layers", "num_layers", "num_attention_heads", "num_key_value_heads",
         "intermediate_size", "ffn_hidden_size", "num_local_experts", "num_experts_per_tok", "multi_query_group_num", "kv_channels", "head_dim",
         "max_position_embeddings", "seq_length"}
VALUES = [10**15, 2**63, -1, 0, 1e300, 1.5, "512", [512], {}, True]


def in_little_memory(*arguments):
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    return subprocess.run([INGOT, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300, preexec_fn=limit)


def error_of(result, code):
    assert result.returncode == code, result.stderr[-2000:]
    line = result.stderr.splitlines()[-1]
    assert "error:" in line
    return line


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """Runs the check of a configuration with such a config.json of the model."""
    folder = tmp_path_factory.mktemp("hostile")
    shutil.copytree(STORIES, folder / "model")
    config = write_config(folder, model_name_or_path=str(folder / "model"), train_from_scratch=True)

    def run(model):
        (folder / "model/config.json").write_text(json.dumps(model))
        return in_little_memory("train", config, "--check")
    return run


@pytest.mark.parametrize("family", FAMILIES)
def test_a_hostile_size_is_named(check, family):
    whole = FAMILIES[family]
    for field in sorted(SIZES & set(whole)):
        for value in VALUES if LONG else random.Random(family + field).sample(VALUES, 1):
            line = error_of(check(whole | {field: value}), CONFIG)
            assert field in line, f"{field} {value}: {line}"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_know_is_named(check, value):
    line = error_of(check(LLAMA | {"hidden_size": value}), DATA)
    assert "config.json" in line and "hidden_size" in line


@pytest.mark.parametrize("field, value", [("num_attention_heads", 7), ("num_key_value_heads", 3), ("num_hidden_layers", 10**9), ("head_dim", 7)])
def test_sizes_that_do_not_fit_are_named(check, field, value):
    assert field in error_of(check(LLAMA | {field: value}), CONFIG)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_families_are_sound_without(check, family):
    result = check(FAMILIES[family])
    assert result.returncode == 0 or "vocab" in result.stderr or "template" in result.stderr, result.stderr


def test_use_dora_is_refused_by_name(tmp_path):
    config = write_config(tmp_path, finetuning_type="lora", use_dora=True)
    assert "use_dora" in error_of(ingot("train", config, "--check", check=False), CONFIG)


def test_an_adapter_with_dora_is_refused_by_name(tmp_path):
    ingot("train", write_config(tmp_path, finetuning_type="lora", lora_rank=2, max_steps=1))
    file = tmp_path / "run/adapter/adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"use_dora": True}))
    result = ingot("convert", "--from", STORIES, "--adapter", file.parent, "--to", tmp_path / "out", check=False)
    assert result.returncode in (2, 3) and "use_dora" in result.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize("keys, line", [({"dtype": "bfloat16", "torch_dtype": "float32"}, True), ({"dtype": "float32", "torch_dtype": "float32"}, False),
                                        ({"torch_dtype": "bfloat16"}, False)])
def test_of_two_dtypes_the_one_of_transformers_5_counts(tmp_path, keys, line):
    transformers = pytest.importorskip("transformers")
    wanted = str(transformers.LlamaConfig(**keys).dtype).removeprefix("torch.")
    shutil.copytree(STORIES, tmp_path / "model")
    file = tmp_path / "model/config.json"
    config = {key: value for key, value in json.loads(file.read_text()).items() if key not in ("dtype", "torch_dtype")}
    file.write_text(json.dumps(config | keys))
    result = ingot("train", write_config(tmp_path, model_name_or_path=str(tmp_path / "model"), train_from_scratch=True, max_steps=1))
    assert result.stderr.count("the first counts, as in transformers") == (1 if line else 0)
    exported = transformers.AutoConfig.from_pretrained(tmp_path / "run/model")
    assert str(exported.dtype).removeprefix("torch.") == wanted
