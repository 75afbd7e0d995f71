"""References for the families that transformers does not run: their weights laid out for a native class that computes the
same (Qwen v1, ChatGLM), or the formula written out (Baichuan). Weights go by their published names everywhere else."""

import math

import torch
import transformers

from published_models import config_of

SEED = 5


def native_config(m):
    """What transformers calls a model that computes the same."""
    if m.family in ("qwen", "qwen-august"):
        return transformers.Qwen2Config(
            vocab_size=m.vocab, hidden_size=m.hidden, num_hidden_layers=m.layers, num_attention_heads=m.heads,
            num_key_value_heads=m.heads, intermediate_size=m.ffn, rms_norm_eps=m.eps, tie_word_embeddings=False,
            rope_parameters={"rope_type": "default", "rope_theta": m.theta})
    if m.family == "chatglm":
        return transformers.GlmConfig(
            vocab_size=m.vocab, hidden_size=m.hidden, num_hidden_layers=m.layers, num_attention_heads=m.heads,
            num_key_value_heads=m.kv_heads, head_dim=m.head_dim, intermediate_size=m.ffn, rms_norm_eps=m.eps,
            tie_word_embeddings=False, attention_bias=True, pad_token_id=None,
            rope_parameters={"rope_type": "default", "rope_theta": m.theta, "partial_rotary_factor": 0.5})
    settings = {**config_of(m), "pad_token_id": None}
    return transformers.AutoConfig.for_model(settings.pop("model_type"), **settings)


QWEN = {"embed_tokens": "wte", "layers": "h", "norm": "ln_f", "input_layernorm": "ln_1",
        "post_attention_layernorm": "ln_2", "self_attn": "attn", "o_proj": "c_proj", "gate_proj": "w2",
        "up_proj": "w1", "down_proj": "c_proj", "model": "transformer"}
CHATGLM = {"model.embed_tokens": "transformer.embedding.word_embeddings", "model.layers": "transformer.encoder.layers",
           "model.norm": "transformer.encoder.final_layernorm", "lm_head": "transformer.output_layer",
           "self_attn.o_proj": "self_attention.dense", "mlp.gate_up_proj": "mlp.dense_h_to_4h",
           "mlp.down_proj": "mlp.dense_4h_to_h"}
FUSED = {"qwen": ("self_attn", "attn.c_attn"), "chatglm": ("self_attn", "self_attention.query_key_value")}


def plain_name(family, name):
    """The published name of a tensor of the native class that is stored alone."""
    if family == "qwen":
        return ".".join(QWEN.get(part, part) for part in name.split("."))
    for native, published in CHATGLM.items():
        name = name.replace(native, published)
    return name


def split_experts(tensors):
    """Mixtral's tensors, or gradients, of transformers 5 under the published names: a matrix for each expert."""
    found = {}
    for name, value in tensors.items():
        name = name.replace(".mlp.", ".block_sparse_moe.")
        if not name.endswith(("gate_up_proj", "down_proj")):
            found[name] = value
            continue
        prefix, fused = name.rsplit(".", 1)
        parts = dict(zip(("w1", "w3"), value.chunk(2, 1), strict=True)) if fused == "gate_up_proj" else {"w2": value}
        for part, each in parts.items():
            found |= {f"{prefix}.{expert}.{part}.weight": matrix for expert, matrix in enumerate(each)}
    return found


def join_experts(m, tensors):
    """The other way round."""
    found = {name.replace(".block_sparse_moe.", ".mlp."): value for name, value in tensors.items() if ".experts." not in name}
    for layer in range(m.layers):
        inside = f"model.layers.{layer}.block_sparse_moe.experts."
        w1, w2, w3 = (torch.stack([tensors[f"{inside}{expert}.{part}.weight"] for expert in range(m.extra["num_local_experts"])])
                      for part in ("w1", "w2", "w3"))
        found[f"model.layers.{layer}.mlp.experts.gate_up_proj"] = torch.cat([w1, w3], 1)
        found[f"model.layers.{layer}.mlp.experts.down_proj"] = w2
    return found


def layout_of(m):
    """published name -> the native names whose rows it holds, in order; nothing for natively named families."""
    family = m.family.split("-")[0]
    if family not in FUSED:
        return None
    with torch.device("meta"):
        names = list(transformers.AutoModelForCausalLM.from_config(native_config(m)).state_dict())
    layout = {}
    for name in names:
        if any(part in name for part in ("q_proj", "k_proj", "v_proj")):
            inside, kind = name.split(FUSED[family][0])[0], name.rsplit(".", 1)[1]
            layout.setdefault(f"{plain_name(family, inside)}{FUSED[family][1]}.{kind}", []).append(name)
        else:
            layout[plain_name(family, name)] = [name]
    return layout


def published(m, tensors):
    """Tensors or gradients of the native class under the published names."""
    if m.family == "mixtral":
        return split_experts(tensors)
    layout = layout_of(m)
    if layout is None:
        return tensors
    return {name: torch.cat([tensors[part] for part in parts]) for name, parts in layout.items()}


def native(m, tensors):
    if m.family == "mixtral":
        return join_experts(m, tensors)
    layout = layout_of(m)
    if layout is None:
        return tensors
    widths = {"q_proj": m.hidden, "k_proj": m.kv_heads * m.head_dim, "v_proj": m.kv_heads * m.head_dim}
    found = {}
    for name, parts in layout.items():
        sizes = [next((w for key, w in widths.items() if key in part), tensors[name].shape[0]) for part in parts]
        found.update(zip(parts, tensors[name].split(sizes), strict=True))
    return found


def baichuan_shapes(m):
    shapes = {"model.embed_tokens.weight": (m.vocab, m.hidden)}
    for n in range(m.layers):
        layer = f"model.layers.{n}."
        shapes |= {layer + "self_attn.W_pack.weight": (3 * m.hidden, m.hidden),
                   layer + "self_attn.o_proj.weight": (m.hidden, m.hidden), layer + "mlp.gate_proj.weight": (m.ffn, m.hidden),
                   layer + "mlp.down_proj.weight": (m.hidden, m.ffn), layer + "mlp.up_proj.weight": (m.ffn, m.hidden),
                   layer + "input_layernorm.weight": (m.hidden,), layer + "post_attention_layernorm.weight": (m.hidden,)}
    return shapes | {"model.norm.weight": (m.hidden,), "lm_head.weight": (m.vocab, m.hidden)}


def alibi_slopes(heads):
    """Press et al. 2022, with Baichuan's rule for a number of heads that is no power of two."""
    whole = 2 ** math.floor(math.log2(heads))
    regular = [2 ** (-8 * (h + 1) / whole) for h in range(whole)]
    return regular + [2 ** (-4 * (2 * t + 1) / whole) for t in range(heads - whole)]


def straight_slopes(heads):
    """A wrong rule: the slopes go on as if every number of heads were a power of two."""
    return [2 ** (-8 * (h + 1) / heads) for h in range(heads)]


def baichuan_logits(m, weights, ids, slopes=alibi_slopes, norm_head=True):
    """Source: MODELS §2 F. The 7B form rotates halves of a head in place of ALiBi."""
    rope = "max_position_embeddings" in m.extra
    batch, seq = ids.shape
    positions = torch.arange(seq)
    distance = positions[None, :] - positions[:, None]  # key - query
    bias = torch.zeros(seq, seq) if rope else torch.tensor(slopes(m.heads))[:, None, None] * distance
    bias = bias.masked_fill(distance > 0, -math.inf)
    angles = positions[:, None] * m.theta ** (-torch.arange(0, m.head_dim, 2) / m.head_dim)
    cos, sin = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)

    def norm(x, name):
        return weights[name] * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + m.eps)

    def rotate(x):
        first, second = x.chunk(2, -1)
        return x * cos + torch.cat([-second, first], -1) * sin if rope else x

    x = weights["model.embed_tokens.weight"][ids]
    for n in range(m.layers):
        layer = f"model.layers.{n}."
        h = norm(x, layer + "input_layernorm.weight")
        q, k, v = (h @ weights[layer + "self_attn.W_pack.weight"].T).unflatten(-1, (3, m.heads, -1)).permute(2, 0, 3, 1, 4)
        scores = rotate(q) @ rotate(k).mT / math.sqrt(m.head_dim) + bias
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, seq, m.hidden)
        x = x + mixed @ weights[layer + "self_attn.o_proj.weight"].T
        h = norm(x, layer + "post_attention_layernorm.weight")
        gate, up = h @ weights[layer + "mlp.gate_proj.weight"].T, h @ weights[layer + "mlp.up_proj.weight"].T
        x = x + (torch.nn.functional.silu(gate) * up) @ weights[layer + "mlp.down_proj.weight"].T
    head = weights["lm_head.weight"]
    head = head / head.norm(dim=1, keepdim=True).clamp_min(1e-12) if norm_head else head
    return norm(x, "model.norm.weight") @ head.T


def random_weights(m):
    """Published names to values in the published dtype, large enough that every part matters."""
    torch.manual_seed(SEED)
    if m.family == "baichuan":
        shapes = baichuan_shapes(m)
    else:
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(native_config(m))
        shapes = {name: tuple(value.shape) for name, value in published(m, dict(model.named_parameters())).items()}
    std = 1.2 / math.sqrt(m.hidden)
    values = {}
    for name, shape in shapes.items():
        value = torch.randn(shape)
        values[name] = (value * std if len(shape) > 1 else value * 0.2 + (not name.endswith("bias"))).to(
            getattr(torch, m.dtype))
    return values


def reference(m, weights, request, **wrong):
    """What the probe answers: logits, the loss sum, and gradients by published names, in float32."""
    ids, labels = torch.tensor(request["input_ids"]), torch.tensor(request["labels"])
    if m.family == "baichuan":
        leaves = {name: value.float().requires_grad_() for name, value in weights.items()}
        logits = baichuan_logits(m, leaves, ids, **wrong)
    else:
        model = transformers.AutoModelForCausalLM.from_config(native_config(m), dtype=torch.float32).eval()
        missing = model.load_state_dict({k: v.float() for k, v in native(m, weights).items()}, strict=False).missing_keys
        assert missing == (["lm_head.weight"] if m.tied else []), missing
        model.tie_weights()
        leaves = dict(model.named_parameters())
        logits = model(input_ids=ids).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
    loss.backward()
    gradients = {name: value.grad for name, value in leaves.items()}
    if m.family != "baichuan":
        gradients = published(m, gradients)
    return {"logits": logits.detach(), "loss": loss.detach().view(1),
            **{f"grad.{name}": value for name, value in gradients.items()}}
