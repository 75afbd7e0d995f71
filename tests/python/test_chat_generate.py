"""`generate --chat`: the template applied, history kept, commands, signals."""

import json
import os
import pty
import signal
import subprocess

import pytest

from conftest import INGOT, ROOT, STORIES, ingot


def chat(model, *flags, lines=()):
    """The answers to lines of standard input."""
    done = ingot("generate", "--model", model, "--chat", "--json", *flags, text="".join(line + "\n" for line in lines))
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "tiny-models/smollm2-135m/golden.json").read_text())["cases"]


def test_smollm2_answers_its_golden_chats(golden, smollm2):
    """Those of one turn: in the other the assistant's first answer is not the model's own."""
    cases = [case for case in golden if len(case["messages"]) == 1]
    lines = [line for case in cases for line in (case["messages"][0]["content"], "/reset")]
    answers = chat(smollm2, "--max-new-tokens", max(len(case["greedy_ids"]) for case in cases), lines=lines)
    for case, answer in zip(cases, answers, strict=True):
        assert answer["prompt_ids"] == case["input_ids"]
        assert answer["ids"] == case["greedy_ids"]
        assert answer["content"] == case["greedy_text"].removesuffix("<|im_end|>")
        assert answer["finish_reason"] == ("stop" if case["greedy_text"].endswith("<|im_end|>") else "length")


def test_smollm2_text_and_ids_of_golden_chats(golden, smollm2):
    text = "".join(json.dumps(case["messages"]) + "\n" for case in golden)
    found = [json.loads(line) for line in ingot("tokenize", "--chat", "--model", smollm2, text=text).stdout.splitlines()]
    opening = "<|im_start|>assistant\n"
    for case, chat_ids in zip(golden, found, strict=True):
        assert chat_ids["text"] + opening == case["text"]
        assert chat_ids["input_ids"] + [1, 520, 9531, 198] == case["input_ids"]


def test_one_prompt_gives_one_answer_under_the_system_message_given(golden, smollm2):
    case = golden[0]
    system = case["text"].removeprefix("<|im_start|>system\n").split("<|im_end|>")[0]
    flags = ["--system", system, "--prompt", case["messages"][0]["content"]]
    done = ingot("generate", "--model", smollm2, "--chat", *flags)
    assert done.stdout == "The capital of France is Paris.\n"


def test_the_cache_of_earlier_turns_changes_no_token(smollm2):
    """A conversation line by line, and its last turn after a reset of the cache by another question."""
    lines = ["Name a colour.", "Name another."]
    kept = chat(smollm2, "--max-new-tokens", 6, lines=lines)
    again = chat(smollm2, "--max-new-tokens", 6, lines=["Something else", "/reset", *lines])
    assert kept == again[1:]
    assert kept[1]["prompt_ids"][: len(kept[0]["prompt_ids"])] == kept[0]["prompt_ids"]


def test_reset_forgets_and_exit_ends():
    answers = chat(STORIES, "--template", "alpaca", "--max-new-tokens", 4, lines=["Lily", "Tom", "/reset", "Lily", "/exit", "Lily"])
    assert len(answers) == 3
    assert answers[0] == answers[2]
    assert len(answers[1]["prompt_ids"]) > len(answers[0]["prompt_ids"])


def test_seeds_differ_from_answer_to_answer():
    flags = ["--template", "empty", "--temperature", 1.5, "--max-new-tokens", 12, "--seed", 3]
    first, second = chat(STORIES, *flags, lines=["Lily", "/reset", "Lily"])
    assert first["prompt_ids"] == second["prompt_ids"] and first["ids"] != second["ids"]
    assert [first, second] == chat(STORIES, *flags, lines=["Lily", "/reset", "Lily"])


def test_a_conversation_longer_than_the_model_forgets_its_oldest_turn():
    flags = ["--template", "default", "--ignore-eos", "--max-new-tokens", 300]
    done = ingot("generate", "--model", STORIES, "--chat", "--json", *flags, text="Lily\nTom\nAnna\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert "oldest turn is forgotten" in done.stderr
    assert all(len(answer["prompt_ids"]) < 512 for answer in answers)


def test_a_base_model_says_how_to_choose_a_template():
    done = ingot("generate", "--model", STORIES, "--chat", "--prompt", "x", check=False)
    assert done.returncode == 2 and "template: NAME" in done.stderr


@pytest.mark.parametrize("flags", [["--template", "alpaca"], ["--system", "x"], []])
def test_chat_flags_need_chat_and_a_prompt_else(flags):
    prompt = ["--prompt", "x"] if flags else []
    done = ingot("generate", "--model", STORIES, *prompt, *flags, check=False)
    assert done.returncode == 2 and "--chat" in done.stderr


ENDLESS = [INGOT, "generate", "--model", str(STORIES), "--chat", "--template", "alpaca", "--ignore-eos",
           "--max-new-tokens", "100000000"]


def test_an_interrupt_stops_the_answer_and_a_second_one_ends():
    with subprocess.Popen(ENDLESS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        for _ in range(2):  # the conversation goes on behind the first
            process.stdin.write(b"Once\n")
            process.stdin.flush()
            assert process.stdout.read(8)
            process.send_signal(signal.SIGINT)
            while process.stdout.read(1) != b"\n":
                pass
        process.stdin.write(b"Once\n")
        process.stdin.flush()
        assert process.stdout.read(8)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        # 143: the second came when the answer had stopped, and ended the reading of messages
        assert process.wait(timeout=60) in (0, 128 + signal.SIGINT, 143)


def test_sigterm_ends():
    with subprocess.Popen(ENDLESS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        process.stdin.write(b"Once\n")
        process.stdin.flush()
        assert process.stdout.read(8)
        process.terminate()
        process.stdout.read()
        assert process.wait(timeout=60) == 143


def read_until(file, wanted):
    seen = b""
    while wanted not in seen:
        seen += os.read(file, 1)
    return seen


def test_a_terminal_has_a_prompt_where_an_interrupt_ends():
    leader, follower = pty.openpty()
    command = [INGOT, "generate", "--model", str(STORIES), "--chat", "--template", "alpaca", "--max-new-tokens", "3"]
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, cwd=ROOT) as process:
        os.close(follower)
        read_until(leader, b"> ")
        os.write(leader, b"Lily\n")
        read_until(leader, b"> ")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    os.close(leader)
