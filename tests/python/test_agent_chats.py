"""Agents' conversations: calls of tools, their results, and numbers, as each family's own template renders them, live."""

import json
import pathlib
import random
import re
import tempfile

import jinja2
import numpy as np
import pytest

import chat_oracle as oracle
from conftest import LONG, ingot, write_config
from test_chat import differences

FAMILIES = {"qwen2.5": "qwen2_5", "llama3.1": "llama3", "llama3.2": "llama3", "glm4": "glm4-model", "chatglm3": "chatglm3-model"}
COUNT = 2400 if LONG else 150


@pytest.fixture(scope="module")
def folders(shared):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        made = {family: oracle.make_folder(shared, root, family) for family in ["qwen2_5", "qwen2", "llama3", "mistral"]}
        made["glm4-model"] = oracle.make_folder(shared, root, "glm4", kind="model")
        made["chatglm3-model"] = oracle.make_folder(shared, root, "chatglm3", kind="model")
        yield made


WORDS = ["fox", "hen ", " 北京", "\n", "\n\n", "😀", "e\u0301", "\"quoted\"", "\\", "{}", "</b>", "12", "\t", "it's", "ü", "नमस्ते", "\u2028", "a\x7fb"]
NUMBERS = ["0", "-0", "7", "-12", "1.0", "1.50", "0.1", "1E+2", "1e-7", "2.5e300", "1e16", "123456789012", "18446744073709551615",
           "-9223372036854775809", "340282366920938463463374607431768211456", "9" * 60]


class Agents:
    """Random conversations of one family: as JSON text, whose numbers are spelled in many ways."""

    def __init__(self, seed, family):
        self.random, self.family = random.Random(seed), family

    def chance(self, share):
        return self.random.random() < share

    def text(self, least=0):
        return "".join(self.random.choice(WORDS) for _ in range(self.random.randint(least, 6))).strip() or "x" * least

    def value(self, depth):
        kind = self.random.randrange(8 if depth else 5)
        if kind < 2:
            return self.random.choice(NUMBERS)
        if kind < 5:
            return self.random.choice(["true", "false", "null", '""', json.dumps(self.text(), ensure_ascii=self.chance(0.5))])
        if kind == 5:
            return "[" + ",".join(self.value(depth - 1) for _ in range(self.random.randrange(4))) + "]"
        return self.object(depth - 1)

    def object(self, depth):
        keys = self.random.sample(["city", "n", "größe", "a b", "\"", "days", ""], self.random.randrange(4))
        return "{" + " , ".join(f"{json.dumps(key)}: {self.value(depth)}" for key in keys) + "}"

    def call(self, number):
        name = self.random.choice(["peek", "look_up", "查询"])
        arguments = self.object(2)
        if self.chance(0.5):
            arguments = json.dumps(arguments)  # as OpenAI has them: JSON in a text
        function = f'{{"name": {json.dumps(name)}, "arguments": {arguments}}}'
        return f'{{"id": "c{number}", "type": "function", "function": {function}}}'

    def calling(self):
        """An answer with calls, and their results."""
        parallel = self.family == "qwen2.5"
        beside = self.family in ("qwen2.5", "glm4", "chatglm3") and self.chance(0.5)
        count = self.random.randint(1, 3) if parallel else 1
        content = f'"content": {json.dumps(self.text(1))}, ' if beside else self.random.choice(['"content": null, ', '"content": "", ', ""])
        calls = ", ".join(self.call(i) for i in range(count))
        weight = ', "weight": 0' if self.chance(0.2) else ""
        yield f'{{"role": "assistant", {content}"tool_calls": [{calls}]{weight}}}'
        for i in range(count):
            yield f'{{"role": "tool", "tool_call_id": "c{i}", "name": "peek", "content": {json.dumps(self.text())}}}'

    def message(self, role, weighted=False):
        weight = ', "weight": 0' if weighted and self.chance(0.2) else ""
        return f'{{"role": "{role}", "content": {json.dumps(self.text(1))}{weight}}}'

    def messages(self, tools):
        if self.chance(0.4):
            yield self.random.choice(['{"role": "system", "content": ""}', self.message("system")])
        if not tools and self.chance(0.1):
            yield self.message("assistant")  # a greeting
        for _ in range(self.random.randint(1, 3)):
            yield self.message("user")
            if self.chance(0.1):
                yield self.message(self.random.choice(["system", "user"]))
            for _ in range(self.random.randrange(3)):
                yield from self.calling()
            for _ in range(1 + self.chance(0.1)):
                yield self.message("assistant", weighted=True)

    def conversation(self):
        tools = [f'{{"type": "function", "function": {{"name": "peek", "description": {json.dumps(self.text())}, "parameters": {self.object(3)}}}}}'
                 for _ in range(self.random.randrange(3))]
        return f'{{"messages": [{", ".join(self.messages(tools))}], "tools": [{", ".join(tools)}]}}'


def parsed(line):
    """As the reference wants it: arguments are objects. None where there are no tools."""
    record = json.loads(line)
    for message in record["messages"]:
        message.pop("weight", None)
        for call in message.get("tool_calls", []):
            if isinstance(call["function"]["arguments"], str):
                call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return record["messages"], record["tools"] or None


def weights(line):
    return [message.get("weight", 1) for message in json.loads(line)["messages"]]


def live(folder, template=None):
    from transformers import AutoTokenizer

    reference = AutoTokenizer.from_pretrained(folder)
    if template:
        reference.chat_template = template
    return reference


def reference_of(family, folders):
    """A function from a line to what transformers makes of it, with the labels."""
    if "glm" in family:
        agent = {"glm4": oracle.glm4_agent, "chatglm3": oracle.chatglm3_agent}[family]
        return lambda line: agent(folders[FAMILIES[family]], *parsed(line), weights(line))
    folder = folders[FAMILIES[family]]
    reference = live(folder, None if family == "qwen2.5" else oracle.LLAMA3_TOOLS)
    head, tail = ("<|im_start|>assistant\n", "\n") if family == "qwen2.5" else (oracle.LLAMA3_PROMPT, "")

    def render(line):
        messages, tools = parsed(line)

        def text_of(part):
            return reference.apply_chat_template(part, tools=tools, tokenize=False)

        text = text_of(messages)
        spans = oracle.spans_by_prefix(text_of, messages, head, tail)
        answers = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
        spans = [span for span, i in zip(spans, answers) if weights(line)[i] != 0]
        encoding = reference(text, add_special_tokens=False, return_offsets_mapping=True)
        ids = reference.apply_chat_template(messages, tools=tools, tokenize=True, return_dict=False)
        assert encoding["input_ids"] == ids
        mask = [int(any(begin < stop and start < end for start, stop in spans)) for begin, end in encoding["offset_mapping"]]
        return oracle.Rendered(text, ids, mask)

    return render


def run(folder, lines, *flags):
    done = ingot("tokenize", "--chat", "--model", folder, *flags, text="".join(line + "\n" for line in lines))
    return [json.loads(line) for line in done.stdout.split("\n")[:-1]]


@pytest.mark.parametrize("family", FAMILIES)
def test_random_agents_equal_the_familys_own_template(family, folders, tmp_path):
    """Text, ids and labels; stage sft gives the same ids; another family's calls are told apart."""
    agents = Agents(5, family)
    lines = [agents.conversation() for _ in range(COUNT)]
    found = run(folders[FAMILIES[family]], lines, "--template", family)
    render = reference_of(family, folders)
    wanted = [render(line) for line in lines]
    assert differences(found, wanted) == []
    assert sum("tool_calls" in line for line in lines) > COUNT / 2
    trained = [i for i, each in enumerate(found) if any(each["loss_mask"][1:])]
    assert stage_sft(tmp_path, folders[FAMILIES[family]], family, lines) == [(found[i]["input_ids"], found[i]["loss_mask"]) for i in trained]
    wrong = [re.sub(r"([2-9])([,}\] ])", r"\g<1>0\2", line, count=1) for line in lines]  # one digit more somewhere
    changed = [i for i, line in enumerate(wrong) if line != lines[i]]
    others = run(folders[FAMILIES[family]], [wrong[i] for i in changed], "--template", family)
    assert len(changed) > COUNT / 4 and len(differences(others, [wanted[i] for i in changed])) > 0.9 * len(changed)


def stage_sft(folder, model, template, lines, **keys):
    """Ids and labels of each sample, in the order of the records."""
    folder.mkdir(exist_ok=True)
    (folder / "chats.jsonl").write_text("".join(line + "\n" for line in lines))
    return samples_of_file(folder, model, template, folder / "chats.jsonl", **keys)


def samples_of_file(folder, model, template, file, **keys):
    (model / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": 152064}))
    config = write_config(folder, **{"stage": "sft", "model_name_or_path": str(model), "template": template, "cutoff_len": 1 << 20, "val_size": 0,
                                     "dataset": [str(file)], **keys})
    ingot("preprocess", config)
    return samples_of(folder / "run/data/train_1")


def samples_of(prefix):
    def documents(part, dtype):
        data = np.fromfile(f"{prefix}_{part}_document.bin", dtype=dtype)
        index = pathlib.Path(f"{prefix}_{part}_document.idx").read_bytes()
        count = int.from_bytes(index[18:26], "little")
        lengths = np.frombuffer(index, "<i4", count, 34)
        return [piece.tolist() for piece in np.split(data, np.cumsum(lengths)[:-1])]

    width = pathlib.Path(f"{prefix}_input_ids_document.idx").read_bytes()[17]
    return list(zip(documents("input_ids", {4: "<i4", 8: "<u2"}[width]), documents("loss_mask", "u1")))


def labelled_text(folder, sample):
    return live(folder).decode([token for token, label in zip(*sample) if label])


def test_agents_of_openai_are_samples(shared, folders, tmp_path):
    lines = (shared / "faults/agent_openai.jsonl").read_text().splitlines()
    reference, model = live(folders["qwen2_5"]), folders["qwen2_5"]
    samples = stage_sft(tmp_path, model, "qwen2.5", lines)
    assert len(samples) == 2
    for (ids, _), found, line in zip(samples, run(model, lines), lines):
        messages, tools = parsed(line)
        assert found["input_ids"] == ids == reference.apply_chat_template(messages, tools=tools, tokenize=True, return_dict=False)
    text = labelled_text(model, samples[0])
    assert text.count("<tool_call>") == 2 and "First place one." in text and "a fox\n" not in text


def test_integers_beyond_64_bits_reach_the_text_digit_by_digit(shared, folders, tmp_path):
    lines = (shared / "faults/bigint_tools_sharegpt.jsonl").read_text().splitlines()
    samples = stage_sft(tmp_path, folders["qwen2_5"], "qwen2.5", lines)
    assert len(samples) == 1
    text = labelled_text(folders["qwen2_5"], samples[0])
    assert '{"n": 340282366920938463463374607431768211456, "m": -9223372036854775809, "k": 18446744073709551615}' in text
    assert '"maximum": 340282366920938463463374607431768211456' in live(folders["qwen2_5"]).decode(samples[0][0])


@pytest.mark.parametrize("number, shown", [("1e400", "1e400"), ("-1E-999", "-1E-999"), ("0.12345678901234567890123", "0.12345678901234567890123"),
                                           ("3.14159265358979323846", "3.14159265358979323846"), ("-0.0", "-0.0"), ("1.10", "1.1")])
def test_a_number_that_no_double_holds_stays_as_it_is_written(number, shown, folders):
    call = '{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"x": ' + number + "}}}]}"
    found = run(folders["qwen2_5"], ['[{"role": "user", "content": "q"}, ' + call + "]"])[0]
    assert '"arguments": {"x": ' + shown + "}}" in found["text"]


def user(text):
    return {"role": "user", "content": text}


def answer(text, **more):
    return {"role": "assistant", "content": text, **more}


CALL = {"type": "function", "id": "c1", "function": {"name": "f", "arguments": {"x": 1}}}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "21"}


@pytest.mark.parametrize("model, template, chat, said", [
    ("llama3", "llama3.1", [user("q"), answer("look", tool_calls=[CALL]), RESULT, answer("a")], "no place for text beside a tool call"),
    ("llama3", "llama3.2", [user("q"), answer("", tool_calls=[CALL, CALL]), RESULT, answer("a")], "several tool calls in one message, wanted one"),
    ("glm4-model", "glm4", [user("q"), answer("", tool_calls=[CALL, CALL]), RESULT, answer("a")], "several tool calls in one message, wanted one"),
    ("qwen2", "qwen2", [user("q"), answer("", tool_calls=[CALL]), RESULT, answer("a")], "no place for tool calls"),
    ("llama3", "llama3", [user("q"), answer("", tool_calls=[CALL]), RESULT, answer("a")], "no place for tool calls"),
    ("chatglm3-model", "chatglm3", [user("q"), answer("", tool_calls=[CALL, CALL]), RESULT, answer("a")], "several tool calls in one message, wanted one"),
    ("qwen2_5", "qwen2.5", [user("q"), answer("a", reasoning_content="hm")], "no place for reasoning_content"),
    ("qwen2_5", "qwen2.5", [user("q"), answer(None)], "content is absent"),
    ("qwen2_5", "qwen2.5", [user("q"), answer("", tool_calls=[{"function": {"name": "f", "arguments": "{"}}])], "arguments are not valid JSON"),
    ("qwen2_5", "qwen2.5", [user("q"), answer("", tool_calls=[{"function": {"arguments": {}}}])], "no object with \"name\"")])
def test_what_a_template_would_drop_is_refused(model, template, chat, said, folders, tmp_path):
    """By tokenize, and by stage sft under the same reason, which goes on with the rest."""
    done = ingot("tokenize", "--chat", "--model", folders[model], "--template", template, text=json.dumps(chat), check=False)
    assert done.returncode == 3 and said in done.stderr and len(done.stderr.strip().splitlines()) == 1
    good = json.dumps({"messages": [user("q"), answer("a")]})
    assert len(stage_sft(tmp_path, folders[model], template, [json.dumps({"messages": chat}), good])) == 1
    ledger = json.loads((tmp_path / "run/data/train_1.ledger.json").read_text())
    assert [said in reason for reason in ledger["skipped"]] == [True]


ORDERS = {"an empty system message": [{"role": "system", "content": ""}, user("q"), answer("a")],
          "a greeting": [answer("hello"), user("q"), answer("a")],
          "a system message in the middle": [user("q"), answer("a"), {"role": "system", "content": "s"}, user("r"), answer("b")],
          "two questions": [user("q"), user("r"), answer("a")],
          "two answers": [user("q"), answer("a"), answer("b")],
          "a tool's answer to nobody": [user("q"), RESULT, answer("a")],
          "turns": [user("q"), answer("a"), user("r"), answer("b")]}


@pytest.mark.parametrize("family, template", [("qwen2_5", "qwen2.5"), ("qwen2", "qwen2"), ("mistral", "mistral"), ("llama3", "llama3")])
def test_an_order_of_roles_is_rendered_where_the_familys_template_renders_it(family, template, folders, tmp_path):
    reference, expected, kept = live(folders[family]), {}, {}
    for name, chat in ORDERS.items():
        try:
            ids = reference.apply_chat_template(chat, tokenize=True, return_dict=False)
            expected[name] = ids[:-4] if family == "llama3" else ids  # this file always opens an answer at the end
        except jinja2.TemplateError:
            expected[name] = None
    if family == "mistral":  # its text goes in front of the first question, which the template itself leaves to the caller
        expected["an empty system message"] = reference.apply_chat_template([user("\n\nq"), answer("a")], tokenize=True, return_dict=False)
    for number, (name, chat) in enumerate(ORDERS.items()):
        samples = stage_sft(tmp_path / str(number), folders[family], template, [json.dumps({"messages": chat})] + [json.dumps({"messages": ORDERS["turns"]})])
        kept[name] = samples[0][0] if len(samples) == 2 else None
    assert kept == expected
    assert (None in kept.values()) == (family == "mistral")


@pytest.mark.parametrize("weight, weights", [(0.5, [0.5, 1]), (1, None), (True, None), (1.0, None)])
def test_a_fraction_is_the_weight_of_its_answers_labels(weight, weights, folders):
    chat = [user("q"), answer("one", weight=weight), user("r"), answer("two", weight=1)]
    found = run(folders["qwen2_5"], [json.dumps(chat)])[0]
    labels = [i for i, label in enumerate(found["loss_mask"]) if label]
    assert len(labels) == 4
    assert ("weights" in found) == (weights is not None)
    if weights:
        assert [found["weights"][i] for i in labels] == [0.5, 0.5, 1, 1] and sum(found["weights"]) == 3


@pytest.mark.parametrize("result", [{"rain": 1.50, "where": "重庆"}, [1, "two"], [{"a": 1}], {}, 7, False])
def test_a_tools_answer_that_is_no_text_is_its_json(result, folders):
    call = {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]}
    chat = [user("q"), call, {"role": "tool", "content": result}, answer("a")]
    wanted = [*chat[:2], {"role": "tool", "content": json.dumps(result, ensure_ascii=False)}, chat[3]]
    found = run(folders["qwen2_5"], [json.dumps(chat), json.dumps(wanted)])
    assert found[0] == found[1]
    assert json.dumps(result, ensure_ascii=False) in found[0]["text"]


@pytest.mark.parametrize("template", ["llama3.1", "llama3.2"])
@pytest.mark.parametrize("result", [{"rain": 1.50, "where": "重庆"}, [1, "two"], [{"a": 1}], {}, [], 7, 1.5, "plain", '{"a": 1}', "7"])
def test_llama_quotes_a_tools_answer_that_is_text_alone(template, result, folders):
    """As its own template does: what is a text is quoted, what is no text is its JSON."""
    call = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]}
    chat = [user("q"), call, {"role": "tool", "content": result}, answer("a")]
    folder = folders[FAMILIES["llama3.1"]]
    wanted = live(folder, oracle.LLAMA3_TOOLS).apply_chat_template(chat, tokenize=False)
    assert run(folder, [json.dumps(chat)], "--template", template)[0]["text"] == wanted


@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_no_other_content_may_be_an_object(role, folders):
    chat = [{"role": role, "content": {"a": 1}}, user("q"), answer("a")]
    done = ingot("tokenize", "--chat", "--model", folders["qwen2_5"], text=json.dumps(chat), check=False)
    assert done.returncode == 3 and "message 1: content is an object, not text" in done.stderr


@pytest.mark.parametrize("weight", [2, -1, "1", 1.5, [1], "x"])
def test_a_weight_that_is_none_is_refused(weight, folders):
    done = ingot("tokenize", "--chat", "--model", folders["qwen2_5"], text=json.dumps([user("q"), answer("a", weight=weight)]), check=False)
    assert done.returncode == 3 and "message 2: a message's weight is no number from 0 to 1" in done.stderr


def random_number(numbers):
    return numbers.choice([lambda: repr(numbers.uniform(-1, 1) * 10.0 ** numbers.randint(-300, 300)),
                           lambda: f"{numbers.uniform(-9, 9):.{numbers.randint(0, 14)}{numbers.choice('eEfg')}}",
                           lambda: str(numbers.randint(-10 ** 60, 10 ** 60)), lambda: f"{numbers.randint(0, 10 ** 9)}.{numbers.randint(0, 999)}",
                           lambda: f"{numbers.randint(-99, 99)}e{numbers.choice(['', '+', '-'])}{numbers.randint(0, 300)}"])()


def test_numbers_are_spelled_as_python_spells_them(folders):
    numbers = random.Random(3)
    written = [random_number(numbers) for _ in range(5000)]
    call = '{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"x": [' + ",".join(written) + "]}}}]}"
    text = run(folders["qwen2_5"], ['[{"role": "user", "content": "q"}, ' + call + "]"])[0]["text"]
    wanted = oracle.tojson({"x": [json.loads(number) for number in written]})
    assert '"arguments": ' + wanted + "}" in text
    assert sum(number != oracle.tojson(json.loads(number)) for number in written) > 1000
