"""Adapters and runs for the LoRA tests: PEFT on one side, Ingot on the other."""

import json

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

from conftest import STORIES, ingot, write_config
from test_llama_parity import make_request, probe

LORA = {"finetuning_type": "lora", "lora_rank": 8}
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def load_base(folder=STORIES):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def make_adapter(folder, base=STORIES, seed=0, zero_b=False, **settings):
    """An adapter made and saved by PEFT, with random B unless zero_b; returns the PEFT model."""
    torch.manual_seed(seed)
    model = peft.get_peft_model(load_base(base), peft.LoraConfig(task_type="CAUSAL_LM", **{"target_modules": ALL, **settings}))
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name and not zero_b:
                value.normal_(0, 0.05)
            if "modules_to_save" in name:
                value.mul_(1 + 0.1 * torch.randn(value.shape))
    model.save_pretrained(folder)
    return model.eval()


def open_in_peft(adapter, base=STORIES):
    return peft.PeftModel.from_pretrained(load_base(base), adapter).eval()


def request_for(model, **extra):
    return make_request(vocab=model.config.vocab_size, **extra)


def logits_of(model, request):
    with torch.no_grad():
        return model(input_ids=torch.tensor(request["input_ids"])).logits


def ingot_logits(base, request, folder, adapter=None):
    """Logits of Ingot's model, with an adapter added when one is given."""
    return probe(base, {**request, **({"adapter": str(adapter)} if adapter else {})}, folder / "probe")["logits"]


def largest(a, b):
    return (a - b).abs().max().item()


def train(folder, **keys):
    """Runs `ingot train` with LoRA, on one thread, which is the fastest for so small a model; returns the run's folder."""
    folder.mkdir(exist_ok=True)
    ingot("train", write_config(folder, **{**LORA, "save_steps": 0, **keys}), environment={"OMP_NUM_THREADS": "1"})
    return folder / "run"


def edit_config(adapter, **changes):
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def edit_tensors(adapter, change):
    file = adapter / "adapter_model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})
