"""Our GGUF reader beside gguf.quants, and converted folders beside transformers."""

import json
import os
import pathlib
import subprocess

import gguf
import numpy
import pytest
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import load_file
from sentencepiece import SentencePieceProcessor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from conftest import INGOT, STORIES, ingot

PROBE = pathlib.Path(INGOT).parent / "checkpoint_probe"
TYPES = [Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q4_K, Type.Q5_K,
         Type.Q6_K]


def decode(kind, blocks):
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    count = blocks.size // size * elements
    command = [str(PROBE), "dequantize", str(int(kind)), str(count)]
    result = subprocess.run(command, input=blocks.tobytes(), capture_output=True, timeout=120, check=True)
    return numpy.frombuffer(result.stdout, numpy.float32)


def bits(values):
    """The bits of float32 numbers; NaNs, whose payload depends on the processor, as one."""
    return numpy.where(numpy.isnan(values), numpy.uint32(0x7FC00000), values.view(numpy.uint32))


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_random_blocks_decode_to_the_same_bits(kind):
    size = gguf.GGML_QUANT_SIZES[kind][1]
    blocks = numpy.random.default_rng(int(kind)).integers(0, 256, (20_000, size), numpy.uint8)
    with numpy.errstate(all="ignore"):
        wanted = gguf.quants.dequantize(blocks, kind).reshape(-1)
    assert wanted.size == 20_000 * gguf.GGML_QUANT_SIZES[kind][0]
    assert numpy.array_equal(bits(decode(kind, blocks)), bits(wanted))


@pytest.mark.parametrize("kind", [Type.F16, Type.BF16], ids=lambda kind: kind.name)
def test_every_16_bit_float_decodes_to_the_same_bits(kind):
    values = numpy.arange(65536, dtype=numpy.uint16).view(numpy.uint8).reshape(-1, 2)
    assert numpy.array_equal(bits(decode(kind, values)), bits(gguf.quants.dequantize(values, kind).reshape(-1)))


def test_another_type_gives_other_bits():
    blocks = numpy.random.default_rng(1).integers(0, 256, (100, 144), numpy.uint8)
    with numpy.errstate(all="ignore"):
        wanted = gguf.quants.dequantize(blocks, Type.Q4_K).reshape(-1)
    other = decode(Type.Q4_0, blocks.reshape(-1))  # 144 bytes are 8 blocks of 18
    assert other.size == wanted.size and not numpy.array_equal(bits(other), bits(wanted))


@pytest.fixture(scope="module")
def smollm2_gguf():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "ingot"
    file = cache / "models/SmolLM2-135M-Instruct.Q4_1.gguf"
    if not file.exists():
        pytest.skip("SmolLM2 is not in the cache: scripts/fetch_smollm2 could not get it")
    return file


def test_the_real_file_decodes_to_the_same_bits(smollm2_gguf, tmp_path):
    lines = subprocess.run([str(PROBE), "gguf", str(smollm2_gguf), str(tmp_path)], capture_output=True, text=True,
                           timeout=300, check=True).stdout.splitlines()
    tensors = gguf.GGUFReader(smollm2_gguf).tensors
    assert len(lines) == len(tensors) == 272
    for line, tensor in zip(lines, tensors):
        ours = numpy.fromfile(tmp_path / f"{tensor.name}.f32", numpy.float32)
        wanted = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert json.loads(line)["shape"] == list(wanted.shape)
        assert numpy.array_equal(bits(ours), bits(wanted.reshape(-1))), tensor.name
        (tmp_path / f"{tensor.name}.f32").unlink()


@pytest.fixture(scope="module")
def smollm2_in_transformers(smollm2):
    return AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32), AutoTokenizer.from_pretrained(smollm2)


@pytest.fixture(scope="module")
def smollm2_golden(shared):
    return json.loads((shared / "tiny-models/smollm2-135m/golden.json").read_text())


def test_smollm2_folder_gives_the_golden_ids(smollm2_in_transformers, smollm2_golden):
    tokenizer = smollm2_in_transformers[1]
    for case in smollm2_golden["cases"]:
        ids = tokenizer.apply_chat_template(case["messages"], add_generation_prompt=True, return_dict=False)
        assert list(ids) == case["input_ids"]


def test_smollm2_folder_gives_the_golden_logits(smollm2_in_transformers, smollm2_golden):
    for case in smollm2_golden["cases"]:
        with torch.no_grad():
            logits = smollm2_in_transformers[0](torch.tensor([case["input_ids"]])).logits[0, -1]
        for token, value in case["last_logits_top8"]:
            assert logits[token].item() == pytest.approx(value, abs=1e-3)


def test_smollm2_folder_gives_the_golden_text(smollm2_in_transformers, smollm2_golden):
    model, tokenizer = smollm2_in_transformers
    case = min(smollm2_golden["cases"], key=lambda case: len(case["greedy_ids"]))
    ids = torch.tensor([case["input_ids"]])
    made = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False,
                          max_new_tokens=len(case["greedy_ids"]))[0, ids.shape[1]:]
    assert made.tolist() == case["greedy_ids"]
    assert tokenizer.decode(made) == case["greedy_text"]


@pytest.mark.parametrize("name", ["wikitext2_first_1024_ids", "tinyshakespeare_first_1024_ids"])
def test_smollm2_folder_gives_the_golden_losses(smollm2_in_transformers, smollm2_golden, name):
    ids = torch.tensor([smollm2_golden[name]["input_ids"]])
    with torch.no_grad():
        loss = smollm2_in_transformers[0](ids, labels=ids).loss.item()
    assert loss == pytest.approx(smollm2_golden[name]["mean_loss"], abs=1e-4)


def add_sizes(writer, config):
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])


HF_TO_GGUF = [("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output"),
              ("model.layers.", "blk."), ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"),
              ("self_attn.v_proj", "attn_v"), ("self_attn.o_proj", "attn_output"), ("mlp.gate_proj", "ffn_gate"),
              ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down"), ("input_layernorm", "attn_norm"),
              ("post_attention_layernorm", "ffn_norm")]


def add_weights(writer, weights, config, interleave):
    for name, value in weights.items():
        for old, new in HF_TO_GGUF:
            name = name.replace(old, new)
        value = value.float().numpy()
        if interleave and name.endswith(("attn_q.weight", "attn_k.weight")):  # (head, half, i) to (head, i, half)
            value = value.reshape(-1, 2, config.head_dim // 2, value.shape[1]).swapaxes(1, 2).reshape(value.shape)
        writer.add_tensor(name, numpy.ascontiguousarray(value))


def write_gguf(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_stories(file, interleave=True, change=lambda weights: None):
    """stories260K as a GGUF file with a SentencePiece vocabulary; `change` may put other weights in."""
    weights = load_file(STORIES / "model.safetensors")
    change(weights)
    pieces = SentencePieceProcessor(model_file=str(STORIES / "tokenizer.model"))
    config = AutoConfig.from_pretrained(STORIES)
    writer = gguf.GGUFWriter(file, "llama")
    add_sizes(writer, config)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([pieces.id_to_piece(i) for i in range(pieces.vocab_size())])
    writer.add_token_scores([pieces.get_score(i) for i in range(pieces.vocab_size())])
    writer.add_token_types([2 if pieces.is_unknown(i) else 3 if pieces.is_control(i) else 6 if pieces.is_byte(i) else 1
                            for i in range(pieces.vocab_size())])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_remove_extra_whitespaces(True)
    add_weights(writer, weights, config, interleave)
    write_gguf(writer)


def convert_stories(folder, interleave=True):
    write_stories(folder / "stories.gguf", interleave)
    ingot("convert", "--from", folder / "stories.gguf", "--to", folder / "out", "--dtype", "float32")
    return folder / "out"


def test_a_sentencepiece_llama_comes_back_byte_for_byte(tmp_path):
    made = convert_stories(tmp_path)
    assert (made / "model.safetensors").read_bytes() == (STORIES / "model.safetensors").read_bytes()


def test_rows_that_were_not_interleaved_are_told_apart(tmp_path):
    made = convert_stories(tmp_path, interleave=False)
    assert (made / "model.safetensors").read_bytes() != (STORIES / "model.safetensors").read_bytes()


def test_a_sentencepiece_vocabulary_keeps_its_ids(tmp_path):
    made = convert_stories(tmp_path)
    our_pieces = SentencePieceProcessor(model_file=str(made / "tokenizer.model"))
    their_pieces = SentencePieceProcessor(model_file=str(STORIES / "tokenizer.model"))
    for text in ["Once upon a time", "  two  spaces ", "Zoë's café 🦙\n\n1234", "", "</s> in text", "\x01 byte"]:
        assert our_pieces.encode(text) == their_pieces.encode(text)
    assert (our_pieces.unk_id(), our_pieces.bos_id(), our_pieces.eos_id()) == (0, 1, 2)


def test_a_converted_llama_gives_the_same_logits(tmp_path):
    ids = torch.tensor([[1, 403, 407, 261, 378]])
    with torch.no_grad():
        ours = AutoModelForCausalLM.from_pretrained(convert_stories(tmp_path))(ids).logits
        assert torch.equal(ours, AutoModelForCausalLM.from_pretrained(STORIES)(ids).logits)


@pytest.mark.parametrize("name", ["model.layers.1.mlp.up_proj.weight", "model.layers.0.self_attn.q_proj.weight", "model.norm.weight"])
@pytest.mark.parametrize("value, fits", [(65504, True), (65505, False), (-65519, False), (65520, False), (-1e5, False)])
def test_a_value_beyond_half_precision_is_refused_by_name(tmp_path, name, value, fits):
    """65519 would be rounded to 65504, the largest, and 65520 to infinity."""
    def large(weights):
        weights[name].view(-1)[5] = value

    write_stories(tmp_path / "large.gguf", change=large)
    command = ["convert", "--from", tmp_path / "large.gguf", "--to", tmp_path / "out", "--dtype"]
    result = ingot(*command, "float16", check=False)
    assert (result.returncode == 0) == fits == (tmp_path / "out").exists(), result.stderr
    if fits:
        assert load_file(tmp_path / "out/model.safetensors")[name].abs().max() == 65504
    else:
        assert result.returncode == 3 and name in result.stderr and f"{value:g}" in result.stderr and "float16" in result.stderr
        ingot(*command, "bfloat16")


def byte_level_tokens(folder):
    """Tokens with their GGUF types and merges of a real tokenizer.json."""
    text = subprocess.run(["zstd", "-dc", folder / "tokenizer.json.zst"], capture_output=True, check=True).stdout
    document = json.loads(text)
    by_id = {number: (token, 1) for token, number in document["model"]["vocab"].items()}
    by_id.update({token["id"]: (token["content"], 3 if token["special"] else 4) for token in document["added_tokens"]})
    assert sorted(by_id) == list(range(len(by_id)))
    return [by_id[i] for i in range(len(by_id))], document["model"]["merges"]


@pytest.mark.parametrize("family, pre, architecture", [("qwen2_5", "qwen2", "qwen2"), ("llama3", "llama-bpe", "llama")])
def test_a_real_byte_level_vocabulary_keeps_its_ids(shared, tmp_path, family, pre, architecture):
    tokens, merges = byte_level_tokens(shared / "tokenizers" / family)
    torch.manual_seed(2)
    config = Qwen2Config(vocab_size=len(tokens), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-6)
    config.head_dim = 8
    source = Qwen2ForCausalLM(config).eval()
    torch.nn.init.normal_(source.model.layers[1].self_attn.k_proj.bias)
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", architecture)
    add_sizes(writer, config)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([token for token, _ in tokens])
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens) - 2)
    keep_bias = architecture == "qwen2"
    weights = {name: value for name, value in source.state_dict().items() if keep_bias or not name.endswith(".bias")}
    add_weights(writer, weights, config, interleave=architecture == "llama")
    write_gguf(writer)
    ingot("convert", "--from", tmp_path / "model.gguf", "--to", tmp_path / "out", "--dtype", "float32")
    strings = json.loads((shared / "tokenizers/_vectors/strings.json").read_text())
    wanted = (shared / f"tokenizers/_vectors/hf.{family}.jsonl").read_text().splitlines()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    for text, line in zip(strings, wanted, strict=True):
        assert tokenizer(text, add_special_tokens=False).input_ids == json.loads(line)
    first = tokenizer("Hello").input_ids[0]
    assert (first == len(tokens) - 2) == (pre == "llama-bpe"), "llama-bpe begins with bos, qwen2 does not"
    made = load_file(tmp_path / "out/model.safetensors")
    assert made.keys() == weights.keys()
    assert all(torch.equal(made[name], weights[name]) for name in made)
    if keep_bias:
        ids = torch.tensor([[5, 6, 7, 1000]])
        with torch.no_grad():
            ours = AutoModelForCausalLM.from_pretrained(tmp_path / "out")(ids).logits
            assert torch.allclose(ours, source(ids).logits, atol=1e-5)
