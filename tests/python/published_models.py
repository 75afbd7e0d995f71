"""The 32 models as their config.json files state them, at full size and scaled down with every ratio kept."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Model:
    """One row; `extra` holds keys of config.json that are particular to it."""
    family: str
    vocab: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    eps: float
    theta: float
    length: int
    dtype: str
    parameters: int
    tied: bool = False
    extra: dict = dataclasses.field(default_factory=dict)

    @property
    def head_dim(self):
        return self.hidden // self.heads


def llama3_rope(factor):
    return {"rope_scaling": {"factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                             "original_max_position_embeddings": 8192, "rope_type": "llama3"}}


BF16, F16 = "bfloat16", "float16"
NTK = {"seq_length": 8192, "use_dynamic_ntk": True, "use_logn_attn": True}
PLAIN = {"seq_length": 8192, "use_dynamic_ntk": False, "use_logn_attn": False}
# family, vocabulary, hidden, layers, heads, kv heads, ffn, eps, rope base, length, dtype, parameters
MODELS = {
    "llama2-7b": Model("llama", 32000, 4096, 32, 32, 32, 11008, 1e-5, 1e4, 4096, F16, 6738415616),
    "llama2-13b": Model("llama", 32000, 5120, 40, 40, 40, 13824, 1e-5, 1e4, 4096, F16, 13015864320),
    "llama2-70b": Model("llama", 32000, 8192, 80, 64, 8, 28672, 1e-5, 1e4, 4096, F16, 68976648192),
    "llama3-8b": Model("llama", 128256, 4096, 32, 32, 8, 14336, 1e-5, 5e5, 8192, BF16, 8030261248),
    "llama3-70b": Model("llama", 128256, 8192, 80, 64, 8, 28672, 1e-5, 5e5, 8192, BF16, 70553706496),
    "qwen-7b": Model("qwen", 151936, 4096, 32, 32, 32, 11008, 1e-6, 1e4, 32768, BF16, 7721324544, extra=NTK),
    "qwen-14b": Model("qwen", 152064, 5120, 40, 40, 40, 13696, 1e-6, 1e4, 8192, BF16, 14167290880,
                      extra={**NTK, "seq_length": 2048}),
    "qwen-72b": Model("qwen", 152064, 8192, 80, 64, 64, 24576, 1e-6, 1e6, 32768, BF16, 72287920128, extra=PLAIN),
    "qwen1.5-7b": Model("qwen2", 151936, 4096, 32, 32, 32, 11008, 1e-6, 1e6, 32768, BF16, 7721324544),
    "qwen1.5-14b": Model("qwen2", 152064, 5120, 40, 40, 40, 13696, 1e-6, 1e6, 32768, BF16, 14167290880),
    "qwen1.5-32b": Model("qwen2", 152064, 5120, 64, 40, 8, 27392, 1e-6, 1e6, 32768, BF16, 32512218112),
    "qwen1.5-72b": Model("qwen2", 152064, 8192, 80, 64, 64, 24576, 1e-6, 1e6, 32768, BF16, 72287920128),
    "yi-6b": Model("llama", 64000, 4096, 32, 32, 4, 11008, 1e-5, 5e6, 4096, BF16, 6061035520),
    "yi-34b": Model("llama", 64000, 7168, 60, 56, 8, 20480, 1e-5, 5e6, 4096, BF16, 34388917248),
    "chatglm3-6b": Model("chatglm", 65024, 4096, 28, 32, 2, 13696, 1e-5, 1e4, 8192, F16, 6243584000),
    "baichuan2-13b": Model("baichuan", 125696, 5120, 40, 40, 40, 13696, 1e-6, 1e4, 4096, BF16, 13896668160),
    "qwen2-0.5b": Model("qwen2", 151936, 896, 24, 14, 2, 4864, 1e-6, 1e6, 32768, BF16, 494032768, tied=True),
    "qwen2-1.5b": Model("qwen2", 151936, 1536, 28, 12, 2, 8960, 1e-6, 1e6, 32768, BF16, 1543714304, tied=True),
    "qwen2-7b": Model("qwen2", 152064, 3584, 28, 28, 4, 18944, 1e-6, 1e6, 32768, BF16, 7615616512),
    "qwen2-72b": Model("qwen2", 152064, 8192, 80, 64, 8, 29568, 1e-6, 1e6, 32768, BF16, 72706203648),
    "glm-4-9b": Model("chatglm", 151552, 4096, 40, 32, 2, 13696, 1.5625e-7, 5e6, 131072, BF16, 9399951360),
    "mistral-7b": Model("mistral", 32000, 4096, 32, 32, 8, 14336, 1e-5, 1e6, 32768, BF16, 7241732096,
                        extra={"sliding_window": None}),
    "mixtral-8x7b": Model("mixtral", 32000, 4096, 32, 32, 8, 14336, 1e-5, 1e6, 32768, BF16, 46702792704,
                          extra={"sliding_window": None, "num_local_experts": 8, "num_experts_per_tok": 2,
                                 "output_router_logits": False, "router_aux_loss_coef": 0.02}),
    "llama3.1-8b": Model("llama", 128256, 4096, 32, 32, 8, 14336, 1e-5, 5e5, 131072, BF16, 8030261248,
                         extra=llama3_rope(8.0)),
    "llama3.1-70b": Model("llama", 128256, 8192, 80, 64, 8, 28672, 1e-5, 5e5, 131072, BF16, 70553706496,
                          extra=llama3_rope(8.0)),
    "qwen2.5-0.5b": Model("qwen2", 151936, 896, 24, 14, 2, 4864, 1e-6, 1e6, 32768, BF16, 494032768, tied=True),
    "qwen2.5-7b": Model("qwen2", 152064, 3584, 28, 28, 4, 18944, 1e-6, 1e6, 32768, BF16, 7615616512),
    "qwen2.5-14b": Model("qwen2", 152064, 5120, 48, 40, 8, 13824, 1e-6, 1e6, 32768, BF16, 14770033664),
    "qwen2.5-32b": Model("qwen2", 152064, 5120, 64, 40, 8, 27648, 1e-6, 1e6, 32768, BF16, 32763876352),
    "qwen2.5-72b": Model("qwen2", 152064, 8192, 80, 64, 8, 29568, 1e-6, 1e6, 32768, BF16, 72706203648),
    "llama3.2-1b": Model("llama", 128256, 2048, 16, 32, 8, 8192, 1e-5, 5e5, 131072, BF16, 1235814400, tied=True,
                         extra={"head_dim": 64, **llama3_rope(32.0)}),
    "llama3.2-3b": Model("llama", 128256, 3072, 28, 24, 8, 8192, 1e-5, 5e5, 131072, BF16, 3212749824, tied=True,
                         extra=llama3_rope(32.0)),
}
# Other models and spellings of the same families, which no row above has.
VARIANTS = {
    "mistral-7b-v0.1": dataclasses.replace(MODELS["mistral-7b"], theta=1e4, extra={"sliding_window": 4096}),
    "qwen2-windowed": dataclasses.replace(MODELS["qwen2-7b"], extra={"use_sliding_window": True, "sliding_window": 4096,
                                                                     "max_window_layers": 14}),
    "qwen-7b-august": dataclasses.replace(MODELS["qwen-7b"], family="qwen-august"),
    "glm-4-9b-hf": dataclasses.replace(MODELS["glm-4-9b"], family="glm"),
    "baichuan2-7b": Model("baichuan", 125696, 4096, 32, 32, 32, 11008, 1e-6, 1e4, 4096, BF16, 7505973248,
                          extra={"max_position_embeddings": 4096}),
}
SCALE = 32  # of lengths and windows


def llama_keys(m, model_type, architecture):
    return {"architectures": [architecture], "model_type": model_type, "vocab_size": m.vocab, "hidden_size": m.hidden,
            "num_hidden_layers": m.layers, "num_attention_heads": m.heads, "num_key_value_heads": m.kv_heads,
            "intermediate_size": m.ffn, "hidden_act": "silu", "rms_norm_eps": m.eps, "rope_theta": m.theta,
            "max_position_embeddings": m.length, "tie_word_embeddings": m.tied, "torch_dtype": m.dtype,
            "attention_dropout": 0.0, "use_cache": True, "transformers_version": "4.40.1"}


def remote(name, architecture, code):
    auto = {"AutoConfig": f"configuration_{name}.{code}Config", "AutoModelForCausalLM": f"modeling_{name}.{architecture}"}
    return {"architectures": [architecture], "model_type": name, "auto_map": auto, "tie_word_embeddings": False}


def config_of(m):
    """config.json in the spelling of the published file."""
    if m.family in ("llama", "mistral", "mixtral", "glm"):
        extra = {"attention_bias": True, "partial_rotary_factor": 0.5, "head_dim": m.head_dim} if m.family == "glm" else {}
        return {**llama_keys(m, m.family, f"{m.family.capitalize()}ForCausalLM"), **extra, **m.extra}
    if m.family == "qwen2":
        window = {"sliding_window": 32768, "use_sliding_window": False, "max_window_layers": m.layers}
        return {**llama_keys(m, "qwen2", "Qwen2ForCausalLM"), **window, **m.extra}
    if m.family == "qwen":
        return {**remote("qwen", "QWenLMHeadModel", "QWen"), "vocab_size": m.vocab, "hidden_size": m.hidden,
                "num_hidden_layers": m.layers, "num_attention_heads": m.heads, "kv_channels": m.head_dim,
                "intermediate_size": 2 * m.ffn, "layer_norm_epsilon": m.eps, "rotary_emb_base": m.theta,
                "rotary_pct": 1.0, "max_position_embeddings": m.length, "no_bias": True, "attn_dropout_prob": 0.0,
                "bf16": False, "use_flash_attn": "auto", **m.extra}
    if m.family == "qwen-august":
        return {**remote("qwen", "QWenLMHeadModel", "QWen"), "activation": "swiglu", "vocab_size": m.vocab,
                "padded_vocab_size": m.vocab, "n_embd": m.hidden, "n_layer": m.layers, "n_head": m.heads,
                "kv_channels": m.head_dim, "ffn_hidden_size": 2 * m.ffn, "layer_norm_epsilon": m.eps,
                "rotary_emb_base": m.theta, "rotary_pct": 1.0, "n_positions": 6144, "no_bias": True,
                "params_dtype": "torch.bfloat16", "resid_pdrop": 0.1, **m.extra}
    if m.family == "chatglm":
        ratio = {"rope_ratio": m.theta / 10000} if m.theta != 10000 else {}
        return {**remote("chatglm", "ChatGLMModel", "ChatGLM"), "add_bias_linear": False, "add_qkv_bias": True,
                "apply_query_key_layer_scaling": True, "apply_residual_connection_post_layernorm": False,
                "attention_dropout": 0.0, "ffn_hidden_size": m.ffn, "hidden_size": m.hidden, "kv_channels": m.head_dim,
                "layernorm_epsilon": m.eps, "multi_query_attention": True, "multi_query_group_num": m.kv_heads,
                "num_attention_heads": m.heads, "num_layers": m.layers, "original_rope": True,
                "padded_vocab_size": m.vocab, "post_layer_norm": True, "rmsnorm": True, "seq_length": m.length,
                "torch_dtype": m.dtype, **ratio, **m.extra}
    return {**remote("baichuan", "BaichuanForCausalLM", "Baichuan"), "vocab_size": m.vocab, "hidden_size": m.hidden,
            "num_hidden_layers": m.layers, "num_attention_heads": m.heads, "intermediate_size": m.ffn,
            "hidden_act": "silu", "rms_norm_eps": m.eps, "model_max_length": m.length, "torch_dtype": m.dtype,
            "z_loss_weight": 0, "gradient_checkpointing": [False], **m.extra}


def tiny(m, vocab=512):
    """The model with two layers and narrow heads: heads to kv heads, ffn to hidden and all else as published.
    Baichuan keeps its 40 heads and ChatGLM its 32, on which slopes and groups depend."""
    group = m.heads // m.kv_heads
    heads = m.heads if m.family in ("baichuan", "chatglm", "glm") else 4 if group == 1 else 2 * group
    hidden = heads * (8 if heads >= 32 else m.head_dim // 8)
    extra = {**m.extra}
    for key in ("seq_length", "sliding_window", "max_position_embeddings"):
        if extra.get(key):
            extra[key] //= SCALE
    if "sliding_window" in extra and extra["sliding_window"]:
        extra["sliding_window"] = 9  # shorter than the rows of the test
    if "max_window_layers" in extra:
        extra["max_window_layers"] = 1
    if "rope_scaling" in extra:
        extra["rope_scaling"] = {**extra["rope_scaling"], "original_max_position_embeddings": 8192 // SCALE}
    if "head_dim" in extra:
        extra["head_dim"] = hidden // heads
    return dataclasses.replace(m, vocab=vocab, hidden=hidden, layers=2, heads=heads, kv_heads=heads // group,
                               ffn=math.ceil(hidden * m.ffn / m.hidden / 4) * 4, length=m.length // SCALE, extra=extra)
