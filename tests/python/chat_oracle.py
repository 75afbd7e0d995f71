"""What chats have to look like: each family's own Jinja template, or its vendor's id builder restated, and the labels.

A `Rendered` is text, ids and a 0/1 mask; `eos_labels` are positions whose label is eos."""

import dataclasses
import functools
import json
import shutil
import subprocess

import jinja2
import jinja2.sandbox
import sentencepiece
import tokenizers


@dataclasses.dataclass
class Rendered:
    text: str
    ids: list
    mask: list
    eos_labels: list = dataclasses.field(default_factory=list)


def make_folder(shared, root, family, config="tokenizer_config.json", kind="json"):
    """A model folder with one family's real tokenizer files: tokenizer.json (or vocab.json) or tokenizer.model."""
    source, folder = shared / "tokenizers" / family, root / f"{family}-{kind}"
    folder.mkdir()
    for file in source.iterdir():
        if file.suffix == ".zst" and kind == "json":
            subprocess.run(["zstd", "-dq", file, "-o", folder / file.stem], check=True)
        elif file.name in ("tokenizer.model", "qwen.tiktoken") and kind == "model":
            shutil.copy(file, folder)
    shutil.copy(source / config, folder / "tokenizer_config.json")
    return folder


CHATGLM3 = {"[gMASK]": 64790, "sop": 64792, "<|system|>": 64794, "<|user|>": 64795, "<|assistant|>": 64796,
            "<|observation|>": 64797}


def fast_tokenizer(folder):
    """The reference's tokenizer with the config's special tokens in it."""
    if (folder / "tokenizer.json").exists():
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    else:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    config = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer.add_special_tokens([t["content"] for t in config.get("added_tokens_decoder", {}).values() if t["special"]])
    return tokenizer


def tojson(value, indent=None):
    return json.dumps(value, ensure_ascii=False, indent=indent)


class JinjaTemplate:
    """A folder's own chat template, set up as transformers sets it up."""

    def __init__(self, folder):
        config = json.loads((folder / "tokenizer_config.json").read_text())
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
        environment.filters["tojson"] = tojson
        environment.globals["raise_exception"] = self.fail
        self.template = environment.from_string(config["chat_template"])
        self.tokens = {name: config[name] for name in ["bos_token", "eos_token"] if isinstance(config.get(name), str)}

    @staticmethod
    def fail(message):
        raise jinja2.TemplateError(message)

    def __call__(self, messages, tools=None, prompt=False):
        return self.template.render(messages=messages, tools=tools, add_generation_prompt=prompt, **self.tokens)


def mask_of_spans(encoding, spans):
    """A token is a label when it has a character of a label's span."""
    return [int(any(begin < stop and start < end for start, stop in spans)) for begin, end in encoding.offsets]


def rendered(tokenizer, text, spans):
    encoding = tokenizer.encode(text, add_special_tokens=False)
    return Rendered(text, encoding.ids, mask_of_spans(encoding, spans))


def is_answer(message):
    return message["role"] == "assistant"


def spans_by_prefix(render, messages, head, tail):
    """Spans of answers when each message's text is appended to that of the messages before: behind `head` of it, and
    without `tail` at its end."""
    spans = []
    for i, message in enumerate(messages):
        if is_answer(message):
            start = len(render(messages[:i])) if i else render(messages[:1]).rindex(head)
            spans.append((start + len(head), len(render(messages[: i + 1])) - len(tail)))
    return spans


def chatml(jinja, tokenizer, messages, tools=None):
    def render(part):
        return jinja(part, tools)

    spans = spans_by_prefix(render, messages, "<|im_start|>assistant\n", "\n")
    return rendered(tokenizer, render(messages), spans)


LLAMA3_PROMPT = "<|start_header_id|>assistant<|end_header_id|>\n\n"


def llama3(jinja, tokenizer, messages):
    """This family's file always opens an answer at the end: taken off."""

    def render(part):
        return jinja(part).removesuffix(LLAMA3_PROMPT)

    return rendered(tokenizer, render(messages), spans_by_prefix(render, messages, LLAMA3_PROMPT, ""))


def llama31(tokenizer, messages, tools=None, date="26 Jul 2024"):
    """Restated from MODELS §5 and the template's text."""

    def header(role):
        return f"<|start_header_id|>{role}<|end_header_id|>\n\n"

    system = messages[0]["content"].strip() if messages[0]["role"] == "system" else ""
    rest = messages[1:] if messages[0]["role"] == "system" else messages
    text = "<|begin_of_text|>" + header("system") + ("Environment: ipython\n" if tools else "")
    text += f"Cutting Knowledge Date: December 2023\nToday Date: {date}\n\n{system}<|eot_id|>"
    spans = []
    for i, message in enumerate(rest):
        content = (message["content"] or "").strip()
        if message["role"] == "tool":
            text += header("ipython") + tojson(message["content"]) + "<|eot_id|>"
            continue
        if message.get("tool_calls"):
            call = message["tool_calls"][0]["function"]
            content = f'{{"name": "{call["name"]}", "parameters": {tojson(call["arguments"])}}}'
        if tools and i == 0:
            intro = ("Given the following functions, please respond with a JSON for a function call with its proper "
                     "arguments that best answers the given prompt.\n\nRespond in the format {\"name\": function name, "
                     "\"parameters\": dictionary of argument name and its value}.Do not use variables.\n\n")
            content = intro + "".join(tojson(tool, 4) + "\n\n" for tool in tools) + content
        text += header(message["role"])
        start = len(text)
        text += content + "<|eot_id|>"
        if is_answer(message):
            spans.append((start, len(text)))
    return rendered(tokenizer, text, spans)


def llama2(tokenizer, messages):
    """Each turn is encoded by itself, as the authors' own chat code does. Source: MODELS §5."""
    system = messages[0]["content"] if messages[0]["role"] == "system" else None
    rest = messages[1:] if system is not None else messages
    done = Rendered("", [], [])
    for i in range(0, len(rest), 2):
        user = rest[i]["content"]
        if i == 0 and system is not None:
            user = f"<<SYS>>\n{system}\n<</SYS>>\n\n{user}"
        question = f"[INST] {user.strip()} [/INST]"
        answer = f" {rest[i + 1]['content'].strip()} " if i + 1 < len(rest) else ""
        encoding = tokenizer.encode(question + answer, add_special_tokens=False)
        done.text += "<s>" + question + answer + ("</s>" if answer else "")
        done.ids += [1, *encoding.ids] + ([2] if answer else [])
        done.mask += [0, *mask_of_spans(encoding, [(len(question), len(question + answer))])] + ([1] if answer else [])
    return done


def mistral(jinja, tokenizer, messages):
    """The template takes no system message: its text goes in front of the first user's."""
    if messages[0]["role"] == "system":
        first = {"role": "user", "content": messages[0]["content"] + "\n\n" + messages[1]["content"]}
        messages = [first, *messages[2:]]
    return rendered(tokenizer, jinja(messages), spans_by_prefix(jinja, messages, "", ""))


class Builder:
    """Ids put together piece by piece, as vendors' scripts do."""

    def __init__(self):
        self.text, self.ids, self.mask, self.eos_labels = "", [], [], []

    def add(self, text, ids, label=0):
        self.text += text
        self.ids += ids
        self.mask += [label] * len(ids)

    def done(self):
        return Rendered(self.text, self.ids, self.mask, self.eos_labels)


def qwen1(encode, messages, vendor=False):
    """make_context and finetune.py: role, newline and content encoded one by one."""
    start, end, out = 151644, 151645, Builder()
    if messages[0]["role"] != "system":
        messages = [{"role": "system", "content": "You are a helpful assistant."}, *messages]
    for message in messages:
        answer = int(is_answer(message))
        out.add("<|im_start|>", [start], int(vendor))
        out.add(message["role"], encode(message["role"]))
        out.add("\n", [198])
        out.add(message["content"], encode(message["content"]), answer)
        out.add("<|im_end|>", [end], int(vendor or answer))
        out.add("\n", [198], int(vendor))
    return out.done()


def glm(encode, ids, sop, messages, last, vendor=None):
    """build_single_message of both; `last` is the closing token. Labels are an answer's content and the token that ends
    it; the vendors' scripts (`vendor`: roles without loss) shift a mask of whole messages by one instead."""
    out, after, owner = Builder(), 0, [0, 0]
    out.add("[gMASK]", [ids["[gMASK]"]])
    out.add(sop, [ids[sop]])
    for message in messages:
        role = "observation" if message["role"] == "tool" else message["role"]
        answer, before = int(is_answer(message)), len(out.ids)
        out.add(f"<|{role}|>", [ids[f"<|{role}|>"]], after)
        out.add("\n", encode("\n"))
        out.add(message["content"], encode(message["content"]), answer)
        owner += [int(role not in (vendor or []))] * (len(out.ids) - before)
        after = answer
    out.add(last[0], [last[1]], after)
    if vendor:
        out.mask = [0, *owner]
    return out.done()


def baichuan2(encode, messages):
    """fine-tune.py: eos is the label of the marker behind an answer, and of one token more."""
    out, after = Builder(), 0
    for message in messages:
        if message["role"] == "system":
            out.add(message["content"], encode(message["content"]))
            continue
        answer = int(is_answer(message))
        if after and not answer:
            out.eos_labels.append(len(out.ids))
        marker = "<reserved_107>" if answer else "<reserved_106>"
        out.add(marker, [196 if answer else 195], int(after and not answer))
        out.add(message["content"], encode(message["content"]), answer)
        after = answer
    out.add("</s>", [2], after)
    return out.done()


def formatted(encode, messages, system, user, separator, default_system=""):
    """default and alpaca: every format is encoded by itself, an answer ends with eos (2)."""
    out = Builder()
    text = messages[0]["content"] if messages[0]["role"] == "system" else default_system
    if text:
        out.add(system(text), encode(system(text)))
    for i, message in enumerate(m for m in messages if m["role"] != "system"):
        if is_answer(message):
            out.add(message["content"], encode(message["content"]), 1)
            out.add("</s>", [2], 1)
            continue
        if i:
            out.add(separator, encode(separator))
        out.add(user(message["content"]), encode(user(message["content"])))
    return out.done()


@functools.cache
def sentencepiece_encoder(folder):
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    return model.encode


@functools.cache
def tiktoken_encoder(folder):
    """GLM-4's rank file with its regex. Source: MODELS §4.2."""
    import base64

    import tiktoken

    lines = (folder / "tokenizer.model").read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
               r"|\s*[\r\n]+|\s+(?!\S)|\s+")
    return tiktoken.Encoding("glm4", pat_str=pattern, mergeable_ranks=ranks, special_tokens={}).encode_ordinary


LLAMA3_TOOLS = """
{{- bos_token + '<|start_header_id|>system<|end_header_id|>\\n\\n' -}}
{%- if tools %}{{ 'Environment: ipython\\n' }}{% endif -%}
{{- 'Cutting Knowledge Date: December 2023\\nToday Date: 26 Jul 2024\\n\\n' -}}
{%- if messages[0].role == 'system' %}{{ messages[0].content | trim }}{% set messages = messages[1:] %}{% endif -%}
{{- '<|eot_id|>' -}}
{%- if tools %}
    {{- '<|start_header_id|>user<|end_header_id|>\\n\\nGiven the following functions, please respond with a JSON for a function call ' -}}
    {{- 'with its proper arguments that best answers the given prompt.\\n\\nRespond in the format {"name": function name, ' -}}
    {{- '"parameters": dictionary of argument name and its value}.Do not use variables.\\n\\n' -}}
    {%- for tool in tools %}{{ tool | tojson(indent=4) }}{{ '\\n\\n' }}{% endfor -%}
    {{- messages[0].content | trim + '<|eot_id|>' -}}
    {%- set messages = messages[1:] %}
{%- endif -%}
{%- for message in messages -%}
    {%- if message.role == 'tool' -%}
        {{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' + message.content | tojson + '<|eot_id|>' -}}
    {%- elif 'tool_calls' in message -%}
        {%- if message.tool_calls | length != 1 %}{{ raise_exception('This model only supports single tool-calls at once!') }}{% endif -%}
        {%- set call = message.tool_calls[0].function -%}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n{"name": "' + call.name + '", "parameters": ' -}}
        {{- call.arguments | tojson + '}<|eot_id|>' -}}
    {%- else -%}
        {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + message.content | trim + '<|eot_id|>' -}}
    {%- endif -%}
{%- endfor -%}
"""  # restated: Llama 3.1's and 3.2's, with tools in the first user's message and a fixed date


def glm4_system(tools):
    text = ("你是一个名为 GLM-4 的人工智能助手。你是基于智谱AI训练的语言模型 GLM-4 模型开发的，你的任务是针对用户的问题和要求提供适当的答复和支持。"
            "\n\n# 可用工具")
    for function in (tool["function"] for tool in tools):
        text += f"\n\n## {function['name']}\n\n{tojson(function, 4)}\n在调用上述函数时，请使用 Json 格式表示调用的参数。"
    return text


def glm4_agent(folder, messages, tools, weights):
    config = json.loads((folder / "tokenizer_config.json").read_text())
    ids = {token["content"]: int(i) for i, token in config["added_tokens_decoder"].items()}
    messages = [message for message in messages if message["role"] != "system" or message["content"]]
    weights = weights[-len(messages):]
    if tools:
        messages, weights = [{"role": "system", "content": glm4_system(tools)}, *messages], [1, *weights]
    return glm_agent(tiktoken_encoder(folder), ids, ("<sop>", ids["<sop>"]), ("<|user|>", ids["<|user|>"]), tojson, messages, weights)


def chatglm3_agent(folder, messages, tools, weights):
    """build_chat_input's system text with tools, format_function_call of the vendor's fine-tuning script."""
    if tools and messages[0]["role"] != "system":
        text = "Answer the following questions as best as you can. You have access to the following tools:"
        messages, weights = [{"role": "system", "content": text}, *messages], [1, *weights]
    if tools:
        messages = [{**messages[0], "content": messages[0]["content"] + "\n" + tojson(tools, 4)}, *messages[1:]]

    def call(arguments):
        return "```python\ntool_call(" + ", ".join(f"{name}={value!r}" for name, value in arguments.items()) + ")\n```"

    return glm_agent(sentencepiece_encoder(folder), CHATGLM3, ("sop", CHATGLM3["sop"]), ("</s>", 2), call, messages, weights)


def glm_agent(encode, ids, sop, last, call_text, messages, weights):
    """The vendors' builders: text and a call are two messages, a call's name is in the metadata line."""
    out, after = Builder(), 0

    def single(role, metadata, content, label):
        nonlocal after
        out.add(f"<|{role}|>", [ids[f"<|{role}|>"]], after)
        out.add(metadata + "\n", encode(metadata + "\n"), label if metadata else 0)
        out.add(content, encode(content), label)
        after = label

    out.add("[gMASK]", [ids["[gMASK]"]])
    out.add(sop[0], [sop[1]])
    for i, message in enumerate(messages):
        role = {"tool": "observation"}.get(message["role"], message["role"])
        label, calls = int(is_answer(message) and weights[i] != 0), message.get("tool_calls", [])
        if message.get("content") or not calls:
            single(role, "", message["content"], label)
        for call in calls:
            single(role, call["function"]["name"], call_text(call["function"]["arguments"]), label)
    out.add(last[0], [last[1]], after)
    return out.done()
