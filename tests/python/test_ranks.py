"""One job on several processes: the same bits for every number of them, a clear end when one is lost, nothing left running."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from conftest import INGOT, ROOT, ingot, read_losses, write_config
from test_families import make_folder

FEW = {"max_steps": 4, "global_batch_size": 8, "micro_batch_size": 2, "val_size": 8, "cutoff_len": 32}


def weights_of(run):
    files = sorted(run.glob("model/*.safetensors"))
    assert files
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def trained(folder, ranks, **keys):
    """sha256 of the exported weights, and the losses, of a run on so many ranks."""
    folder.mkdir(exist_ok=True)
    config = write_config(folder, **{**FEW, **keys})
    result = ingot("train", config, *(["--nproc", ranks] if ranks > 1 else []))
    return weights_of(folder / "run"), read_losses(folder / "run"), result


def test_the_number_of_ranks_changes_no_bit_in_reproducible_mode(tmp_path):
    alone = trained(tmp_path / "1", 1, reproducible=True)
    for ranks in (2, 4):
        found = trained(tmp_path / str(ranks), ranks, reproducible=True)
        assert found[:2] == alone[:2], ranks
    plain, plain_on_two = trained(tmp_path / "plain", 1), trained(tmp_path / "plain_on_two", 2)
    assert plain_on_two[0] != plain[0]  # without it the order of the sums shows
    assert plain_on_two[1] == pytest.approx(plain[1], abs=1e-4)


KINDS = {"llama": ("llama2-7b", {}), "qwen2 tied": ("qwen2-0.5b", {}), "chatglm3": ("chatglm3-6b", {}), "baichuan2": ("baichuan2-13b", {}),
         "mixtral": ("mixtral-8x7b", {"router_aux_loss_coef": 0.02}),
         "LoRA on llama": ("llama2-7b", {"finetuning_type": "lora", "lora_rank": 4, "lora_dropout": 0.1, "learning_rate": 1e-2})}


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_keeps_its_bits_on_two_ranks(tmp_path, kind):
    key, keys = KINDS[kind]
    make_folder(key, tmp_path / "model")
    text = tmp_path / "rows.jsonl"
    text.write_text("".join(json.dumps({"text": "Once upon a time there was a dog. " * (1 + i % 5)}) + "\n" for i in range(60)))
    alone, both = (trained(tmp_path / str(ranks), ranks, model_name_or_path=str(tmp_path / "model"), dataset=str(text), reproducible=True, cutoff_len=16, val_size=0,
                           **keys) for ranks in (1, 2))
    assert len(alone[1]) == FEW["max_steps"] and len(set(alone[1].values())) > 1
    assert both[:2] == alone[:2]


def test_another_number_of_ranks_goes_on_with_the_same_bits(tmp_path):
    whole = trained(tmp_path / "whole", 1, reproducible=True)
    (tmp_path / "parts").mkdir()
    for ranks, steps in ((2, 2), (4, 4)):
        config = write_config(tmp_path / "parts", **{**FEW, "reproducible": True, "max_steps": steps})
        ingot("train", config, "--nproc", ranks)
    assert weights_of(tmp_path / "parts/run") == whole[0]


@pytest.mark.parametrize("zero_stage", [0, 2])
def test_a_run_goes_on_with_its_bits_in_the_order_that_is_fastest(tmp_path, zero_stage):
    keys = {"reproducible": False, "zero_stage": zero_stage}
    whole = trained(tmp_path / "whole", 2, **keys)
    trained(tmp_path / "parts", 2, **keys, max_steps=2)
    assert trained(tmp_path / "parts", 2, **keys)[:2] == whole[:2]


def test_a_first_step_may_leave_ranks_without_a_row(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": f"The dog, {i} times."}]}) + "\n"
                            for i in range(3)))
    keys = {"stage": "sft", "dataset": str(rows), "template": "default", "val_size": 0, "micro_batch_size": 1, "global_batch_size": 4, "num_train_epochs": 1,
            "max_steps": None, "cutoff_len": 128}
    _, losses, _ = trained(tmp_path / "run", 4, **keys)  # of four ranks one has no row of three
    assert losses == pytest.approx(trained(tmp_path / "alone", 1, **keys)[1], abs=1e-4)


def start(config, *arguments, environment=None):
    return subprocess.Popen([INGOT, "train", str(config), *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, **(environment or {})})


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def children_of(pid):
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[1]) == pid:
                    variables = dict(one.split("=", 1) for one in (entry / "environ").read_text(errors="replace").split("\0") if "=" in one)
                    found[int(variables["RANK"])] = int(entry.name)
            except (OSError, KeyError):
                pass
    return found


def has_reached(run, step):
    metrics = run / "metrics.jsonl"
    return metrics.exists() and any(json.loads(line).get("step", 0) >= step for line in metrics.read_text().splitlines() if line.endswith("}"))


def wait_for_step(run, step):
    for _ in range(1200):
        if has_reached(run, step):
            return
        time.sleep(0.05)
    pytest.fail("the run did not come so far within a minute")


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_rank_ends_the_job_and_the_next_start_has_the_same_bits(tmp_path, victim):
    whole = trained(tmp_path / "whole", 1, reproducible=True, max_steps=25)
    (tmp_path / "killed").mkdir()
    config = write_config(tmp_path / "killed", **{**FEW, "reproducible": True, "max_steps": 25})
    process = start(config, "--nproc", 2)
    wait_for_step(tmp_path / "killed/run", 5)
    ranks = children_of(process.pid)
    os.kill(ranks[victim], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 4
    assert re.search(rf"rank {victim} was killed by signal 9; the other ranks have 30 s to end\. Its last words, in (.*rank_{victim}\.log):", errors)
    assert not any(pathlib.Path(f"/proc/{pid}").exists() for pid in ranks.values())
    ingot("train", config, "--nproc", 2)
    assert weights_of(tmp_path / "killed/run") == whole[0]


def test_a_killed_launcher_leaves_no_rank(tmp_path):
    process = start(write_config(tmp_path, **{**FEW, "max_steps": 1000}), "--nproc", 2)
    wait_for_step(tmp_path / "run", 2)
    ranks = children_of(process.pid)
    assert set(ranks) == {0, 1}
    process.kill()
    process.communicate()
    for _ in range(100):
        if not any(pathlib.Path(f"/proc/{pid}").exists() for pid in ranks.values()):
            return
        time.sleep(0.1)
    pytest.fail("a rank outlived its launcher by 10 s")


def test_a_stop_saves_once_and_is_said_by_the_exit_code(tmp_path):
    config = write_config(tmp_path, **{**FEW, "max_steps": 1000, "save_steps": 0})
    process = start(config, "--nproc", 2)
    wait_for_step(tmp_path / "run", 3)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert (tmp_path / "run/checkpoints/latest_checkpointed_iteration.txt").exists()


def test_a_last_save_that_fails_is_no_saved_state(tmp_path):
    config = write_config(tmp_path, **{**FEW, "max_steps": 1000, "save_steps": 0})
    process = start(config, "--nproc", 2)
    wait_for_step(tmp_path / "run", 3)
    shutil.rmtree(tmp_path / "run/checkpoints")
    (tmp_path / "run/checkpoints").write_text("a file where the folder was")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2, errors
    assert "checkpoints" in errors and "not saved: step " in errors


def test_what_all_ranks_refuse_has_its_own_exit_code(tmp_path):
    result = ingot("train", write_config(tmp_path, **FEW), "--nproc", 3, check=False)
    assert result.returncode == 2
    assert "global_batch_size: found 8, wanted a multiple of micro_batch_size 2 x 3 ranks" in result.stderr
    assert not (tmp_path / "run").exists()


def test_the_logs_of_all_ranks_are_kept(tmp_path):
    result = ingot("launch", "--nproc", 2, "--log-dir", tmp_path / "logs", "--", "train", write_config(tmp_path, **FEW), "--set", "max_steps=2")
    assert "rank 0 of 2 (torchrun)" in result.stderr and "rank 1 of 2" not in result.stderr
    assert "rank 1 of 2 (torchrun)" in (tmp_path / "logs/rank_1.log").read_text()
    assert "iteration        2/       2" in (tmp_path / "logs/rank_0.log").read_text()


@pytest.mark.parametrize("keys, status, is_left", [({}, 0, False), ({"micro_batch_size": 8}, 2, True), ({"weight_decay": "much"}, 2, False)],
                         ids=["ended well", "failed", "refused before it began"])
def test_logs_among_the_temporary_files_stay_where_a_job_failed(tmp_path, keys, status, is_left):
    (tmp_path / "temporary").mkdir()
    config = write_config(tmp_path, **{**FEW, "max_steps": 1, **keys})
    result = ingot("launch", "--nproc", 2, "--", "train", config, check=False, environment={"TMPDIR": str(tmp_path / "temporary")})
    assert result.returncode == status
    left = sorted(path.name for path in (tmp_path / "temporary").rglob("*"))
    assert left[1:] == ["rank_0.log", "rank_1.log"] if is_left else left == []


def test_ranks_share_the_cores(tmp_path):
    ingot("train", write_config(tmp_path, **{**FEW, "max_steps": 1, "save_steps": 1}), "--nproc", 2)
    manifest = json.loads((tmp_path / "run/checkpoints/iter_0000001/manifest.json").read_text())
    assert manifest["state"]["settings"]["threads"] == max(1, len(os.sched_getaffinity(0)) // 2)


def test_other_verbs_than_train_are_one_process(tmp_path):
    result = ingot("launch", "--nproc", 2, "--", "eval", "--model", "x", check=False)
    assert result.returncode == 2 and "ingot launch: found eval --model x, wanted train" in result.stderr


def test_a_rank_that_waits_for_the_others_ends_at_once_when_it_is_told_to(tmp_path):
    port = free_port()
    process = subprocess.Popen([INGOT, "train", str(write_config(tmp_path, **FEW))], cwd=ROOT, stderr=subprocess.PIPE, text=True, env={
        **os.environ, "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)})
    while "rank 1 of 2" not in process.stderr.readline():
        pass
    time.sleep(0.3)
    process.terminate()
    assert process.wait(timeout=10) == 143


def test_torchrun_starts_ranks_as_well(tmp_path):
    config = write_config(tmp_path, **FEW)
    result = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--no-python", "--nproc-per-node", "2", INGOT, "train", str(config)], cwd=ROOT,
                            capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "rank 1 of 2 (torchrun), meeting at" in result.stderr
    assert len(read_losses(tmp_path / "run")) == FEW["max_steps"]


def start_node(rank, port, config, *flags, cwd=ROOT, before=()):
    """One of two nodes, of one rank."""
    return subprocess.Popen([*before, INGOT, "launch", "--nproc", "1", "--nnodes", "2", "--node-rank", str(rank), "--master-addr", "localhost", "--master-port", str(port),
                             *map(str, flags), "--", "train", str(config)], cwd=cwd, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def two_nodes(folder, of_second, *keys):
    """Both nodes' ends and what they said; `of_second`: a folder and what stands before the second's command."""
    port, (place, before) = free_port(), of_second
    config = write_config(folder, **{**FEW, "output_dir": "run", "zero_stage": 1, **dict(keys)})
    jobs = [start_node(0, port, config, cwd=folder), start_node(1, port, config, cwd=place, before=before)]
    said = [job.communicate(timeout=120)[1] for job in jobs]
    return [job.returncode for job in jobs], said


def test_two_nodes_of_one_rank_are_two_ranks(tmp_path):
    codes, said = two_nodes(tmp_path, (tmp_path, []))
    assert codes == [0, 0], said
    assert len(read_losses(tmp_path / "run")) == FEW["max_steps"]


@pytest.fixture(name="other")
def _other(tmp_path):
    """Where the second node keeps its run: its disk."""
    (tmp_path / "other").mkdir()
    return tmp_path / "other"


ON_DISKS = (("reproducible", True), ("save_steps", 2))


def test_nodes_with_a_disk_of_their_own_train_one_model(tmp_path, other):
    codes, said = two_nodes(tmp_path, (other, []), *ON_DISKS)
    assert codes == [0, 0], said
    assert "output_dir: run lies on 2 disks; disk 0 is that of 1 ranks on " in said[0]
    assert (weights_of(tmp_path / "run"), read_losses(tmp_path / "run")) == trained(tmp_path / "whole", 1, reproducible=True)[:2]
    assert not (other / "run/model").exists() and not (other / "run/metrics.jsonl").exists()
    assert [file.name for file in sorted((other / "run/checkpoints/iter_0000004").iterdir())] == ["manifest.json", "state-00001-00001-of-00001.safetensors"]
    assert len(list((tmp_path / "run/checkpoints/iter_0000004").iterdir())) == 3  # the export has needed both
    assert not [mark for folder in (tmp_path, other) for mark in folder.glob("run/.seen-*")]
    exported = ingot("export", other / "run", "--to", tmp_path / "exported", check=False)
    assert exported.returncode == 3 and "state-00000-00001-of-00001.safetensors: is missing; of a run on several disks it is on another: copy it here" in exported.stderr
    shutil.copy(tmp_path / "run/checkpoints/iter_0000004/state-00000-00001-of-00001.safetensors", other / "run/checkpoints/iter_0000004")
    ingot("export", other / "run", "--to", tmp_path / "exported")
    assert (tmp_path / "exported/model.safetensors").read_bytes() == (tmp_path / "run/model/model.safetensors").read_bytes()


def test_a_run_on_two_disks_goes_on_where_the_nodes_have_changed_places(tmp_path, other):
    codes, said = two_nodes(tmp_path, (other, []), *ON_DISKS, ("max_steps", 2))
    assert codes == [0, 0], said
    shutil.move(tmp_path / "run", tmp_path / "moved")
    shutil.move(other / "run", tmp_path / "run")
    shutil.move(tmp_path / "moved", other / "run")
    codes, said = two_nodes(tmp_path, (other, []), *ON_DISKS)
    assert codes == [0, 0], said
    assert "resuming after step 2" in said[0]
    assert weights_of(tmp_path / "run") == trained(tmp_path / "whole", 1, reproducible=True)[0]


@pytest.mark.parametrize("lost", ["first", "second"])
def test_a_node_with_an_empty_disk_takes_the_place_of_one_that_had_nothing_alone(tmp_path, other, lost):
    """Without ZeRO the first of the ranks that have the same values writes them; the end of a run brings all to node 0."""
    keys = (*ON_DISKS, ("zero_stage", 0))
    two_nodes(tmp_path, (other, []), *keys, ("max_steps", 2))
    if lost == "first":
        shutil.move(tmp_path / "run", other / "whole")
        shutil.rmtree(other / "run")
        shutil.move(other / "whole", other / "run")
    else:
        shutil.rmtree(other / "run")
    codes, said = two_nodes(tmp_path, (other, []), *keys)
    assert codes == [0, 0], said
    assert "resuming after step 2" in said[0]
    assert weights_of(tmp_path / "run") == trained(tmp_path / "whole", 1, reproducible=True)[0]


def test_what_no_disk_has_is_said_and_nothing_is_trained(tmp_path, other):
    two_nodes(tmp_path, (other, []), *ON_DISKS, ("max_steps", 2))
    shutil.rmtree(tmp_path / "run")
    codes, said = two_nodes(tmp_path, (other, []), *ON_DISKS)
    assert codes == [3, 3] and "no checkpoint is whole on the 2 disks of this job: none has these files of iter_0000002: state-00000-00001-of-00001.safetensors" in said[0]
    assert not list(tmp_path.glob("run/checkpoints/*"))


def test_a_rank_that_cannot_write_its_part_ends_the_job_at_once(tmp_path):
    few_blocks = ["bash", "-c", "trap '' XFSZ; ulimit -f 200; exec \"$@\"", "-"]  # of 1024 bytes; its part of the optimizer is larger
    codes, said = two_nodes(tmp_path, (tmp_path, few_blocks), ("max_steps", 2), ("save_steps", 2))
    assert codes == [4, 4], said
    assert "rank 1: " in said[0] and "File too large" in said[0] and "not saved: step" in said[0]
    assert not list((tmp_path / "run/checkpoints").glob("iter_*"))


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = ingot("train", write_config(tmp_path, **FEW), check=False, environment={
            "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)})
    assert result.returncode == 4
    assert f"127.0.0.1:{port}: rank 0 of 2 could not meet the others: 127.0.0.1:{port}: Address already in use" in result.stderr


def test_a_node_of_several_is_not_trained_alone(tmp_path):
    result = ingot("train", write_config(tmp_path, **FEW), check=False, environment={"NNODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1"})
    assert result.returncode == 2
    assert "NNODES, NODE_RANK, MASTER_ADDR says that this is node 1 of 2: start it with ingot launch" in result.stderr
