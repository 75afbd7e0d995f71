"""`ingot train --profile`: what each rank did when, in Chrome's Trace Event Format."""

import collections
import json
import os
import signal
import subprocess

import pytest
from conftest import INGOT, ROOT, ingot, write_config
from test_plan import write_model

FEW = {"max_steps": 3, "global_batch_size": 8, "micro_batch_size": 1, "val_size": 4, "cutoff_len": 64, "save_steps": 2}


def events_of(run, rank):
    """Complete events of a rank, and the names of its tracks."""
    content = json.loads((run / f"profile/rank_{rank}.json").read_text())
    assert content["otherData"]["rank"] == rank and content["otherData"]["events_left_out"] == 0
    events, tracks = [], {}
    for event in content["traceEvents"]:
        assert event["pid"] == rank
        if event["ph"] == "M":
            tracks[event["tid"]] = event["args"]["name"]
        else:
            assert event["ph"] == "X" and event["dur"] >= 0 and event["ts"] > 0 and event["cat"]
            events.append(event)
    return events, tracks


def named(events, name):
    return [event for event in events if event["name"] == name]


def inside(event, of):
    return of["ts"] <= event["ts"] and event["ts"] + event["dur"] <= of["ts"] + of["dur"]


def profiled(folder, *arguments, **keys):
    folder.mkdir(exist_ok=True)
    ingot("train", write_config(folder, **{**FEW, **keys}), "--profile", *arguments)
    return folder / "run"


def test_one_rank_reads_computes_updates_evaluates_and_saves(tmp_path):
    events, tracks = events_of(profiled(tmp_path / "one"), 0)
    counts = collections.Counter(event["name"] for event in events)
    assert counts["step"] == 3 and counts["optimizer step"] == 3 and counts["evaluation"] == 2
    assert counts["read"] == counts["forward"] == counts["backward"] == 3 * 8
    assert counts["save"] == 2 and {tracks[event["tid"]] for event in named(events, "save")} == {"checkpoint"}
    steps = named(events, "step")
    for name in ("forward", "backward", "optimizer step"):
        assert all(any(inside(event, step) for step in steps) for event in named(events, name))
    assert sorted(event["args"]["micro_batch"] for event in named(events, "backward"))[:3] == [0, 0, 0]


def test_without_the_flag_nothing_is_written(tmp_path):
    ingot("train", write_config(tmp_path, **FEW))
    assert not (tmp_path / "run/profile").exists()


@pytest.mark.parametrize("zero", [0, 1, 2])
def test_gradients_travel_inside_the_backward_pass(tmp_path, zero):
    """A model of several buckets: those of the upper layers leave, and some of them arrive, before the pass has come to the lower ones."""
    model = write_model(tmp_path / "model", "llama2-7b", hidden=512, layers=16, heads=8, kv_heads=8, ffn=2048, vocab=512)
    run = profiled(tmp_path / "two", "--nproc", 2, model_name_or_path=str(model), train_from_scratch=True, max_steps=2, global_batch_size=4, cutoff_len=32,
                   val_size=0, save_steps=0, zero_stage=zero)
    travel = "gradients all-reduce" if zero == 0 else "gradients reduce-scatter"
    overlaps = 0
    for rank in range(2):
        events, tracks = events_of(run, rank)
        passes = [event for event in named(events, "backward") if zero == 2 or event["args"]["micro_batch"] == 1]
        calls = named(events, travel)
        buckets = [call for call in calls if tracks[call["tid"]].startswith("gradients under way")]
        assert len(calls) - len(buckets) == (2 if zero == 0 else 0), "beside them ranks tell once a step what they have gradients of"
        assert len(buckets) % len(passes) == 0 and len(buckets) // len(passes) >= 5, "several buckets in each step"
        began = [bucket for bucket in buckets if any(one["ts"] <= bucket["ts"] <= one["ts"] + one["dur"] for one in passes)]
        assert len(began) >= 4 * len(passes), "several buckets leave while a backward pass goes on"
        overlaps += sum(inside(bucket, one) for bucket in buckets for one in passes)
        earlier = [event for event in named(events, "backward") if event not in passes]
        assert not any(one["ts"] <= bucket["ts"] <= one["ts"] + one["dur"] for bucket in buckets for one in earlier)
        if zero:
            assert named(events, "data all-gather")
    assert overlaps > 0, "no bucket has arrived inside a backward pass"


@pytest.mark.parametrize("keys, calls", [({"tensor_model_parallel_size": 2}, ["tensor all-reduce"]),
                                         ({"pipeline_model_parallel_size": 2, "virtual_pipeline_model_parallel_size": 2}, ["pipeline receive", "pipeline send"]),
                                         ({"context_parallel_size": 2}, ["context all-gather"])],
                         ids=["tensor", "pipeline", "context"])
def test_calls_of_every_axis_are_events(tmp_path, keys, calls):
    run = profiled(tmp_path / "two", "--nproc", 2, **keys)
    for rank in range(2):
        events, _ = events_of(run, rank)
        for call in calls:
            assert named(events, call) and all(event["cat"] == "communication" for event in named(events, call)), call
        if "virtual_pipeline_model_parallel_size" in keys:
            assert {event["args"]["chunk"] for event in named(events, "forward")} == {0, 1}


def test_ranks_of_a_machine_have_one_clock(tmp_path):
    """Both ranks make a call together: neither ends it before the other has begun it."""
    run = profiled(tmp_path / "two", "--nproc", 2)
    sums = [[event for event in named(events_of(run, rank)[0], "world all-reduce") if event["args"]["bytes"] == 8] for rank in range(2)]
    assert len(sums[0]) == len(sums[1]) > 3
    for mine, other in zip(*sums, strict=True):
        assert max(mine["ts"], other["ts"]) <= min(mine["ts"] + mine["dur"], other["ts"] + other["dur"])


def test_a_stop_loses_nothing(tmp_path):
    config = write_config(tmp_path, **{**FEW, "max_steps": 100000})
    process = subprocess.Popen([INGOT, "train", str(config), "--profile"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ)
    for line in process.stdout:
        if "iteration        3/" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 143
    events, _ = events_of(tmp_path / "run", 0)
    assert len(named(events, "optimizer step")) >= 3 and named(events, "wait until saved")
