"""Jobs of ModelArts' scripts: the package, its variables, folders and rules of resuming (docs/modelarts.md)."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest
import yaml
from conftest import INGOT, ROOT, SHAKESPEARE, STORIES, ingot, read_losses
from test_ranks import free_port, has_reached, weights_of

QUICK = {"TP": 1, "PP": 1, "GBS": 8, "MBS": 2, "SEQ_LEN": 64, "TRAIN_ITERS": 4, "SAVE_INTERVAL": 2}
CLEAN = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "OMP_NUM_THREADS", "TMPDIR", "ASAN_OPTIONS")}


def shell(folder, *command, check=True, **variables):
    """A command in the folder of the package, with these variables alone."""
    result = subprocess.run([str(part) for part in command], cwd=folder, env={**CLEAN, **{name: str(value) for name, value in variables.items()}}, capture_output=True,
                            text=True, timeout=300, check=False)
    if check:
        assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-3000:]
    return result


@pytest.fixture(name="workspace")
def _workspace(tmp_path):
    """A package with data and a model where its scripts look for them; the folder that jobs start in."""
    ingot("modelarts", "init", tmp_path / "ws")
    shutil.copytree(STORIES, tmp_path / "ws/models/llama2-13b")
    shutil.copy(SHAKESPEARE, tmp_path / "ws/training_data/train-00000-of-00001-a09b74b3ef9c3b56.parquet")
    records = [{"instruction": f"Tell of number {i}.", "input": "", "output": "Once upon a time there was a dog. " * (1 + i % 3)} for i in range(40)]
    (tmp_path / "ws/training_data/alpaca_gpt4_data.json").write_text(json.dumps(records))
    return tmp_path / "ws/llm_train/AscendSpeed"


def table_of(text):
    """variable -> (value, key) of a printed table, and the same of lines without a variable by their key."""
    lines = text.splitlines()
    head = next(line for line in lines if line.startswith("variable"))
    at = [head.index(name) for name in ("variable", "value", "where from", "key")]
    found = {}
    for line in lines[lines.index(head) + 1:]:
        if line.startswith("note: ") or len(line) < at[1]:
            continue
        name, rest = line[:at[1]].strip(), line[at[1]:].split("  ")
        parts = [part.strip() for part in rest if part.strip()]
        found[name if name != "-" else parts[-1]] = (parts[0], parts[-1])
    return found


def saved(workspace, model="llama2-13b"):
    return workspace.parent / "saved_dir_for_output" / model / "saved_models"


SCRIPTS = ["llama2/7b", "llama2/13b", "llama2/70b", "llama3/8b", "llama3/70b", "qwen/7b", "qwen/14b", "qwen/72b", "qwen1.5/7b", "qwen1.5/14b", "qwen1.5/32b", "qwen1.5/72b",
           "yi/6b", "yi/34b", "glm3/6b", "baichuan2/13b", "qwen2/0.5b", "qwen2/1.5b", "qwen2/7b", "qwen2/72b", "glm4/9b", "mistral/7b", "mixtral/8x7b", "llama3.1/8b",
           "llama3.1/70b", "qwen2.5/0.5b", "qwen2.5/7b", "qwen2.5/14b", "qwen2.5/32b", "qwen2.5/72b", "llama3.2/1b", "llama3.2/3b"]


def test_all_scripts_are_clean_shell_and_print_their_table(tmp_path):
    ingot("modelarts", "init", tmp_path)
    folder = tmp_path / "llm_train/AscendSpeed"
    found = sorted(folder.rglob("*.sh"))
    for script in found:
        subprocess.run(["dash", "-n", script], check=True)
        assert os.access(script, os.X_OK)
    for entry in SCRIPTS:
        family, size = entry.split("/")
        for kind in ("pretrain", "sft", "lora"):
            told = shell(folder, "sh", f"scripts/{family}/0_pl_{kind}_{size}.sh", "localhost", 1, 0, "--dry-run").stdout
            table = table_of(told)
            assert table["RUN_TYPE"][0] == kind and table["MODEL_NAME"][0] == f"{family}-{size}"
            assert {"MBS", "GBS", "TP", "PP", "LR", "SEQ_LEN", "SEED", "SAVE_INTERVAL"} <= set(table)
        assert {name.name for name in (folder / "scripts" / family).iterdir()} >= {"1_preprocess_data.sh", "2_convert_mg_hf.sh", "3_training.sh"}
    assert len([script for script in found if script.name.startswith("0_pl_")]) == 96
    assert not list(tmp_path.glob("llm_train/*_dir_*"))  # a dry run writes nothing


def test_shellcheck_has_nothing_to_say(tmp_path):
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed here")
    ingot("modelarts", "init", tmp_path)
    subprocess.run(["shellcheck", "--severity=style", "--exclude=SC1091", *sorted((tmp_path / "llm_train").rglob("*.sh"))], check=True)


def test_a_script_that_was_changed_by_hand_stays(tmp_path):
    ingot("modelarts", "init", tmp_path)
    script = tmp_path / "llm_train/AscendSpeed/scripts/yi/3_training.sh"
    script.write_text(script.read_text() + "# mine\n")
    told = ingot("modelarts", "init", tmp_path).stdout
    assert script.read_text().endswith("# mine\n") and f"kept, it was changed by hand: {script}" in told


@pytest.mark.parametrize("form", ["positional", "environment"])
def test_a_job_puts_everything_where_the_documents_say(workspace, form):
    launch = {"MASTER_ADDR": "localhost", "NNODES": 1, "NODE_RANK": 0} if form == "environment" else {}
    arguments = ["localhost", 1, 0] if form == "positional" else []
    keys = {**QUICK, "TP": 2, "PP": 2, "CONVERT_MG2HF": "TRUE", "SN": 1200, **launch}
    first = shell(workspace, "sh", "scripts/llama2/0_pl_pretrain_13b.sh", *arguments, **keys)
    base = saved(workspace)
    assert (base / "pretrain/latest_checkpointed_iteration.txt").read_text() == "4"
    assert (base / "pretrain/iter_0000002").is_dir() and (base / "pretrain/iter_0000004").is_dir()
    assert {file.name for file in (base / "pretrain_hf").iterdir()} >= {"config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"}
    assert list((workspace.parent / "processed_for_input/llama2-13b/data/pretrain").glob("*.idx"))
    assert {file.name for file in (base.parent / "logs").iterdir()} >= {"pretrain.yaml", "rank_0.log", "rank_3.log"}
    assert "SN: found 1200, but the data has 69 samples" in first.stderr
    assert "starting ranks 0 to 3 of 4" in first.stderr
    before = {path: path.stat().st_mtime_ns for path in (base / "pretrain").rglob("*")}
    again = shell(workspace, "sh", "scripts/llama2/0_pl_pretrain_13b.sh", *arguments, **keys)
    assert {path: path.stat().st_mtime_ns for path in (base / "pretrain").rglob("*")} == before and "iteration" not in again.stdout


@pytest.mark.parametrize("kind", ["sft", "lora"])
def test_fine_tuning_reads_alpaca_records(workspace, kind):
    shell(workspace, "sh", f"scripts/llama2/0_pl_{kind}_13b.sh", "localhost", 1, 0, **{**QUICK, "SEQ_LEN": 256}, CONVERT_MG2HF="true")
    run = saved(workspace) / f"{kind}_run"
    assert len(read_losses(run)) == 4
    ledger = json.loads((workspace.parent / "processed_for_input/llama2-13b/data/finetune/train_1.ledger.json").read_text())
    assert ledger["records"] == 40
    settings = yaml.safe_load((run.parents[1] / "logs" / f"{kind}.yaml").read_text())
    assert (settings["template"], settings["handler_name"]) == ("alpaca", "GeneralInstructionHandler")
    assert (saved(workspace) / f"{kind}_hf/model.safetensors").exists()
    assert (settings.get("lora_rank"), settings.get("lora_alpha")) == ((16, 32) if kind == "lora" else (None, None))


def test_two_nodes_share_a_job(workspace):
    port, keys = free_port(), {**QUICK, "TP": 2}
    jobs = [subprocess.Popen(["sh", "scripts/llama2/0_pl_pretrain_13b.sh", "localhost", "2", str(node)], cwd=workspace, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env={**CLEAN, **{name: str(value) for name, value in keys.items()}, "MASTER_PORT": str(port), "NPUS_PER_NODE": "1"}) for node in (0, 1)]
    said = [job.communicate(timeout=200) for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    assert (saved(workspace) / "pretrain/latest_checkpointed_iteration.txt").read_text() == "4"


def test_a_killed_job_goes_on_with_the_same_bits(workspace):
    script, keys = ["sh", "scripts/llama2/0_pl_pretrain_13b.sh", "localhost", "1", "0"], {**QUICK, "TRAIN_ITERS": 60}
    shell(workspace, *script, **keys)
    whole = weights_of(saved(workspace) / "pretrain_run")
    shutil.rmtree(saved(workspace) / "pretrain_run")
    job = subprocess.Popen(script, cwd=workspace, env={**CLEAN, **{name: str(value) for name, value in keys.items()}}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           start_new_session=True)
    for _ in range(600):
        if has_reached(saved(workspace) / "pretrain_run", 7):
            break
        time.sleep(0.05)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    time.sleep(2)
    told = shell(workspace, *script, **keys, MA_TRAIN_AUTO_RESUME=1).stderr
    assert "resuming after step" in told
    assert weights_of(saved(workspace) / "pretrain_run") == whole


class TestWhatIsLoaded:
    """CONTRACT §6.3."""

    SCRIPT = ("sh", "scripts/llama2/0_pl_pretrain_13b.sh", "localhost", 1, 0)

    def test_weights_alone_do_not_begin_anew_over_checkpoints(self, workspace):
        shell(workspace, *self.SCRIPT, **QUICK)
        refused = shell(workspace, *self.SCRIPT, **QUICK, CKPT_LOAD_TYPE=1, check=False)
        assert refused.returncode == 2
        assert "CKPT_LOAD_TYPE: the run would begin anew, but" in refused.stderr and "set MA_TRAIN_AUTO_RESUME=1 or CKPT_LOAD_TYPE=2" in refused.stderr
        shell(workspace, *self.SCRIPT, **{**QUICK, "TRAIN_ITERS": 6}, CKPT_LOAD_TYPE=1, MA_TRAIN_AUTO_RESUME=1)
        assert max(read_losses(saved(workspace) / "pretrain_run")) == 6

    def test_no_weights(self, workspace):
        told = shell(workspace, *self.SCRIPT, **QUICK, CKPT_LOAD_TYPE=0)
        assert yaml.safe_load((saved(workspace).parent / "logs/pretrain.yaml").read_text())["train_from_scratch"] is True
        assert read_losses(saved(workspace) / "pretrain_run")[1] > 5, told.stdout  # of random weights; 4.5 of the model's

    def test_the_tracker_may_be_set_back_by_hand(self, workspace):
        shell(workspace, *self.SCRIPT, **QUICK)
        (saved(workspace) / "pretrain/latest_checkpointed_iteration.txt").write_text("2")
        told = shell(workspace, *self.SCRIPT, **QUICK, MA_TRAIN_AUTO_RESUME=1)
        assert "resuming after step 2 from" in told.stderr

    @pytest.mark.parametrize("kind", ["pretrain", "lora"])
    def test_another_runs_checkpoint_is_gone_on_from(self, workspace, kind):
        script = ("sh", f"scripts/llama2/0_pl_{kind}_13b.sh", "localhost", 1, 0)
        longer = {**QUICK, "SEQ_LEN": 256, "TRAIN_ITERS": 6, "LR": "1e-3", "MIN_LR": "1e-3"}
        shell(workspace, *script, **longer)
        shell(workspace, *script, **{**longer, "TRAIN_ITERS": 4}, OUTPUT_SAVE_DIR="first")
        told = shell(workspace, *script, **longer, OUTPUT_SAVE_DIR="second", CKPT_LOAD_TYPE=2, USER_CONVERTED_CKPT_PATH=f"first/llama2-13b/saved_models/{kind}")
        assert "going on from step 4 of" in told.stderr
        assert weights_of(workspace / f"second/llama2-13b/saved_models/{kind}_run") == weights_of(saved(workspace) / f"{kind}_run")

    def test_its_own_checkpoints_come_first(self, workspace):
        shell(workspace, *self.SCRIPT, **QUICK, OUTPUT_SAVE_DIR="first")
        shell(workspace, *self.SCRIPT, **{**QUICK, "TRAIN_ITERS": 2})
        told = shell(workspace, *self.SCRIPT, **QUICK, CKPT_LOAD_TYPE=2, USER_CONVERTED_CKPT_PATH="first/llama2-13b/saved_models/pretrain")
        assert "USER_CONVERTED_CKPT_PATH is not read:" in told.stderr and "resuming after step 2" in told.stderr

    def test_weights_of_another_run(self, workspace):
        shell(workspace, *self.SCRIPT, **QUICK, CONVERT_MG2HF="TRUE", OUTPUT_SAVE_DIR="first")
        shell(workspace, *self.SCRIPT, **QUICK, USER_CONVERTED_CKPT_PATH="first/llama2-13b/saved_models/pretrain_hf")
        assert read_losses(saved(workspace) / "pretrain_run")[1] < read_losses(workspace / "first/llama2-13b/saved_models/pretrain_run")[1]

    def test_what_is_no_checkpoint_is_said(self, workspace):
        (workspace / "empty").mkdir()
        for load, said in ((2, "found no checkpoint of a run of this program"), (1, "holds no Hugging Face model")):
            refused = shell(workspace, *self.SCRIPT, **QUICK, CKPT_LOAD_TYPE=load, USER_CONVERTED_CKPT_PATH="empty", check=False)
            assert refused.returncode == 2 and said in refused.stderr


DATA_AND_MODEL = {"ORIGINAL_TRAIN_DATA_PATH": str(SHAKESPEARE), "ORIGINAL_HF_WEIGHT": str(STORIES)}


def config_of(*arguments, **variables):
    return yaml.safe_load(shell(ROOT, INGOT, "modelarts", "config", *arguments, **DATA_AND_MODEL, **variables).stdout)


@pytest.mark.parametrize("variable, value, key, wanted", [
    ("MBS", 4, "micro_batch_size", 4), ("GBS", 64, "global_batch_size", 64), ("TP", 2, "tensor_model_parallel_size", 2), ("PP", 4, "pipeline_model_parallel_size", 4),
    ("CP", 2, "context_parallel_size", 2), ("LR", "2.5e-5", "learning_rate", 2.5e-5), ("MIN_LR", "2.5e-6", "min_lr", 2.5e-6), ("SEQ_LEN", 128, "cutoff_len", 128),
    ("EPOCH", 3, "num_train_epochs", 3), ("TRAIN_ITERS", 9, "max_steps", 9), ("SEED", 7, "seed", 7), ("SAVE_INTERVAL", 11, "save_steps", 11),
    ("RUN_TYPE", "sft", "stage", "sft"), ("RUN_TYPE", "lora", "finetuning_type", "lora"), ("STAGE", "sft", "stage", "sft"), ("FINETUNING_TYPE", "lora", "finetuning_type", "lora"),
    ("DATA_TYPE", "AlpacaStyleInstructionHandler", "handler_name", "AlpacaStyleInstructionHandler"), ("CKPT_LOAD_TYPE", 0, "train_from_scratch", True)])
def test_a_variable_is_a_key(variable, value, key, wanted):
    table = table_of(shell(ROOT, INGOT, "modelarts", "env", **DATA_AND_MODEL, **{variable: value}).stdout)
    assert str(table[variable][0]).startswith(str(value))
    found = config_of(**{variable: value})[key]
    assert found == wanted or float(found) == wanted


@pytest.mark.parametrize("arguments, key, wanted", [
    (["--recompute-granularity", "full", "--recompute-method", "block", "--recompute-num-layers", "32"], "recompute", "full"),
    (["--lora-r", "8", "--lora-alpha", "16"], "lora_rank", 8), (["--lora-alpha", "16"], "lora_alpha", 16),
    (["--lora-target-modules", "query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"], "lora_target", "all"),
    (["--lora-target-modules", "linear_qkv", "linear_proj"], "lora_target", ["k_proj", "o_proj", "q_proj", "v_proj"]),
    (["--use-distributed-optimizer"], "zero_stage", 1), (["--clip-grad", "0.5"], "max_grad_norm", 0.5), (["--weight-decay", "0"], "weight_decay", 0),
    (["--adam-beta2", "0.9"], "adam_beta2", 0.9), (["--lr-warmup-fraction", "0.1"], "warmup_ratio", 0.1), (["--num-layers-per-virtual-pipeline-stage", "1"], "virtual_pipeline_model_parallel_size", 5)])
def test_an_argument_of_megatron_is_a_key(arguments, key, wanted):
    assert config_of(*arguments, RUN_TYPE="lora")[key] == wanted


def test_an_argument_that_changes_nothing_is_said():
    told = shell(ROOT, INGOT, "modelarts", "env", "--sequence-parallel", "--tokenizer-not-use-fast", **DATA_AND_MODEL).stdout
    assert "note: --sequence-parallel changes nothing:" in told and "note: --tokenizer-not-use-fast changes nothing:" in told


@pytest.mark.parametrize("variables, said", [
    ({"ORIGNAL_HF_WEIGHT": "x"}, "ORIGNAL_HF_WEIGHT: is no variable of a job; did you mean ORIGINAL_HF_WEIGHT?"),
    ({"TRAIN_ITER": 5}, "did you mean TRAIN_ITERS?"), ({"SAVE_INTERVALL": 5}, "did you mean SAVE_INTERVAL?"), ({"CKPT_LAOD_TYPE": 1}, "did you mean CKPT_LOAD_TYPE?"),
    ({"RUN_TYPE": "dpo"}, "RUN_TYPE: found dpo, wanted pretrain, sft, lora"), ({"RUN_TYPE": "sft", "STAGE": "pt"}, "are of different jobs"),
    ({"CONVERT_MG2HF": "maybe"}, "CONVERT_MG2HF: found maybe, wanted TRUE or FALSE"), ({"CKPT_LOAD_TYPE": 3}, "CKPT_LOAD_TYPE: found 3, wanted 0 (no weights)"),
    ({"NNODES": 2}, "MASTER_ADDR: found nothing, wanted the host of node 0"), ({"NNODES": "two"}, 'NNODES: found "two", wanted the number of nodes'),
    ({"CKPT_LOAD_TYPE": "9" * 30}, "CKPT_LOAD_TYPE: found"), ({"NODE_RANK": "9" * 30}, "NODE_RANK: found"),
    ({"NODE_RANK": 1}, "NODE_RANK: found 1, wanted a number below NNODES = 1"), ({"SEQ_LEN": 128, "MAX_PE": 64}, "SEQ_LEN: found 128, wanted at most MAX_PE = 64"),
    ({"USER_PROCESSED_DATA_DIR": "/tmp"}, "USER_PROCESSED_DATA_DIR: data that another program has prepared is not read"),
    ({"DATASET_PATH": "/other"}, "are one thing, wanted one of the two"), ({"TOKENIZER_PATH": str(ROOT / "examples/data")}, None),
    ({"RUN_TYPE": "lora", "CKPT_LOAD_TYPE": 0}, "CKPT_LOAD_TYPE: found 0 of a LoRA run")])
def test_what_cannot_be_is_refused_by_its_name(variables, said):
    result = shell(ROOT, INGOT, "modelarts", "env", **DATA_AND_MODEL, **variables, check=False)
    assert result.returncode == (0 if said is None else 2), result.stderr
    assert said is None or said in result.stderr


def test_an_unknown_argument_is_refused_with_the_nearest():
    result = shell(ROOT, INGOT, "modelarts", "env", "--recompute-granularty", "full", **DATA_AND_MODEL, check=False)
    assert result.returncode == 2 and "--recompute-granularty: is no argument that this program knows; did you mean --recompute-granularity?" in result.stderr


def test_another_tokenizer_than_the_models_is_refused(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"other")
    result = shell(ROOT, INGOT, "modelarts", "env", **DATA_AND_MODEL, TOKENIZER_PATH=tmp_path, check=False)
    assert result.returncode == 2 and f"TOKENIZER_PATH: {tmp_path}/tokenizer.model is not that of ORIGINAL_HF_WEIGHT" in result.stderr


def test_old_names_are_understood():
    found = yaml.safe_load(shell(ROOT, INGOT, "modelarts", "config", DATASET_PATH=SHAKESPEARE, MODEL_PATH=STORIES, RUN_TYPE="retrain", TRAIN_ITERS=200, MBS=2, GBS=64).stdout)
    assert (found["dataset"], found["model_name_or_path"], found["max_steps"]) == (str(SHAKESPEARE), str(STORIES), 200)


def test_every_step_is_a_script_of_its_own(workspace):
    keys = {**QUICK, **DATA_AND_MODEL, "MODEL_NAME": "m"}
    shell(workspace, "sh", "scripts/llama2/1_preprocess_data.sh", "pretrain", **keys)
    assert list(workspace.glob("processed_for_input/m/data/pretrain/*.bin"))
    assert "nothing to convert" in shell(workspace, "sh", "scripts/llama2/2_convert_mg_hf.sh", "hf2hg", **keys).stdout
    shell(workspace, "sh", "scripts/llama2/3_training.sh", **keys)
    shutil.rmtree(workspace / "saved_dir_for_output/m/saved_models/pretrain_run/model")
    shell(workspace, "sh", "scripts/llama2/2_convert_mg_hf.sh", "mg2hf", **keys)
    assert (workspace / "saved_dir_for_output/m/saved_models/pretrain_hf/model.safetensors").exists()
    for name in ("install.sh", "intall.sh"):
        assert "ingot" in shell(workspace, "sh", f"scripts/{name}", "modellink").stdout.lower()


def test_what_stands_where_a_link_is_to_be_stays(workspace):
    (saved(workspace) / "pretrain").mkdir(parents=True)
    (saved(workspace) / "pretrain/mine.txt").write_text("x")
    refused = shell(workspace, "sh", "scripts/llama2/0_pl_pretrain_13b.sh", "localhost", 1, 0, **QUICK, check=False)
    assert refused.returncode == 2 and "is there, and is no link of this program" in refused.stderr and (saved(workspace) / "pretrain/mine.txt").exists()


def by_formula(log, batch, length, cards, skip=1):
    """CONTRACT §6.1, from the text of a log."""
    times = [float(found) for found in re.findall(r"elapsed time per iteration \(ms\): ([\d.]+)", log.read_text())][skip:]
    return batch * length / (cards * sum(times) / len(times)) * 1000


def test_performance_is_that_of_the_formula(workspace):
    shell(workspace, "sh", "scripts/llama2/0_pl_pretrain_13b.sh", "localhost", 1, 0, **{**QUICK, "TP": 2})
    logs = saved(workspace).parent / "logs"
    found = json.loads(ingot("modelarts", "performance", logs, "--json").stdout)
    assert (found["global_batch_size"], found["seq_length"], found["cards"], found["iterations"]) == (8, 64, 2, 3)
    assert found["tokens_per_second_per_card"] == pytest.approx(by_formula(logs / "rank_0.log", 8, 64, 2), rel=1e-9)
    assert found["last_loss"] == pytest.approx(read_losses(saved(workspace) / "pretrain_run")[4], rel=1e-6)


LINE = (" [2024-09-24 10:50:20] iteration {:8d}/     500 | consumed samples:         1280 | elapsed time per iteration (ms): {:.1f} | throughput per GPU (TFLOP/s/GPU): 158.3 | "
        "learning rate: 2.500000E-05 | global batch size:   128 | lm loss: {:.6E} | loss scale: 1.0 | grad norm: 0.987 | number of skipped iterations:   0 | "
        "number of nan iterations:   0 |\n")


def test_a_log_of_megatron_is_read_and_compared_with(tmp_path):
    log = tmp_path / "old.log"
    log.write_text("noise\n" + "".join(LINE.format(i, 9000 if i == 1 else 5000 + i, 5 - 0.1 * i) for i in range(1, 11)))
    text = ingot("modelarts", "performance", log, "--seq-length", 4096, "--cards", 32, "--json").stdout
    (tmp_path / "old.json").write_text(text)
    assert json.loads(text)["tokens_per_second_per_card"] == pytest.approx(128 * 4096 / (32 * 5006) * 1000)
    told = ingot("modelarts", "performance", log, "--seq-length", 4096, "--cards", 16, "--baseline", tmp_path / "old.json").stdout
    assert "2.000 times the baseline's tokens/s/p" in told and "baseline" in told
    for arguments, code, said in ((["--cards", "8"], 2, "--seq-length: found none"), (["--seq-length", "8"], 2, "--cards: found none"),
                                  (["--seq-length", "8", "--cards", "8", "--skip", "10"], 3, "found 10 lines of iterations")):
        refused = ingot("modelarts", "performance", log, *arguments, check=False)
        assert refused.returncode == code and said in refused.stderr


FACTORY = """
base:
  stage: pt
  finetuning_type: full
  mount_type: OBS
  scirpts_dir: scripts
  seed: 7
tiny:
  model_name_or_path: {model}
  seed: 8
  long:
    dataset: {data}
    output_dir: {output}
    tp: 2
    pp: 1
    mbs: 2
    gbs: 8
    seq_len: 64
    train_iters: 4
    save_interval: 2
    convert_mg2hf: true
  other:
    dataset: /nowhere
"""


def test_the_yaml_of_ascend_factory_is_a_job(tmp_path):
    file = tmp_path / "cfgs.yaml"
    file.write_text(FACTORY.format(model=STORIES, data=SHAKESPEARE, output=tmp_path / "out"))
    told = shell(tmp_path, INGOT, "modelarts", "train", file, "tiny", "long")
    table = table_of(told.stdout)
    assert (table["SEED"][0], table["TP"][0], table["NPUS_PER_NODE"][0]) == ("8", "2", "2")
    assert "note: mount_type changes nothing here" in told.stdout and "note: scirpts_dir changes nothing here" in told.stdout
    out = tmp_path / "out"
    assert (out / "saved_checkpoints/latest_checkpointed_iteration.txt").read_text() == "4"
    assert (out / "ckpt_converted_mg2hf/model.safetensors").exists() and list((out / "preprocess_data").glob("*.idx")) and (out / "logs/rank_1.log").exists()
    assert yaml.safe_load((out / "exp-config.yaml").read_text())["max_steps"] == 4
    again = shell(tmp_path, INGOT, "modelarts", "train", file, "tiny", "long")
    assert "iteration " not in again.stdout.replace("iterations", "")


NEW_FACTORY = """
backend: mindspeed-llm
af_output_dir: {output}
env:
  MASTER_ADDR: localhost
  NNODES: "1"
  NODE_RANK: "0"
backend_config:
  preprocess_data:
    input: {data}
    handler-name: AlpacaStyleInstructionHandler
  convert_ckpt_mg2hf: {convert}
  training:
    stage: sft
    finetuning-type: lora
    tokenizer-name-or-path: {model}
    micro-batch-size: 2
    global-batch-size: 8
    seq-length: 256
    train-iters: 3
    lr: 1.0e-4
    lora-r: 4
    bf16: true
    use-distributed-optimizer: true
    sequence-parallel: false
    no-load-optim: {all}
    no-load-rng: {all}
    finetune: {all}
    load: ${{af_output_dir}}/saved_checkpoints
"""


@pytest.mark.parametrize("convert, all_loaded", [("null", False), ("{}", True)])
def test_the_later_yaml_too(tmp_path, convert, all_loaded):
    file = tmp_path / "exp.yaml"
    file.write_text(NEW_FACTORY.format(output=tmp_path / "out", data=SHAKESPEARE, model=STORIES, convert=convert, all="false" if all_loaded else "true"))
    table = table_of(shell(tmp_path, INGOT, "modelarts", "env", file, f"--af_output_dir={tmp_path / 'there'}", "--env.NNODES=2", "--env.NODE_RANK=1").stdout)
    assert (table["CONVERT_MG2HF"][0], table["NNODES"][0], table["NODE_RANK"][0]) == ("FALSE" if convert == "null" else "TRUE", "2", "1")
    assert table["CKPT_LOAD_TYPE"][0].startswith("2" if all_loaded else "1")
    found = yaml.safe_load(shell(tmp_path, INGOT, "modelarts", "config", file).stdout)
    assert {key: found[key] for key in ("stage", "finetuning_type", "lora_rank", "zero_stage", "cutoff_len", "max_steps", "micro_batch_size", "global_batch_size")} == {
        "stage": "sft", "finetuning_type": "lora", "lora_rank": 4, "zero_stage": 1, "cutoff_len": 256, "max_steps": 3, "micro_batch_size": 2, "global_batch_size": 8}
    assert found["output_dir"] == str(tmp_path / "out/run") and found["learning_rate"] == 1e-4


@pytest.mark.parametrize("change, arguments, said", [
    (lambda text: text.replace("seq_len", "seq_lenght"), ["tiny", "long"], "--seq-lenght: is no argument that this program knows; did you mean"),
    (lambda text: text, ["tiny", "short"], 'experiment: found none of "short", wanted one of long, other'), (lambda text: text, ["big", "long"], 'model: found none of "big", wanted one of base, tiny'),
    (lambda text: text, ["tiny"], "wanted a YAML file alone, or with a model and an experiment"), (lambda text: text.replace("output_dir: ", "output_dri: "), ["tiny", "long"], "af_output_dir: found nothing"),
    (lambda text: text + "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1 if i else ''}" + f", *a{i - 1 if i else ''}" * 9 + "]\n" for i in range(7)), ["tiny", "long"], "found more than 100000 nodes"),
    (lambda text: "x: " + "[" * 500 + "]" * 500, ["tiny", "long"], ""), (lambda text: "- a", ["tiny", "long"], "wanted a mapping")])
def test_what_such_a_file_cannot_be_is_said(tmp_path, change, arguments, said):
    file = tmp_path / "cfgs.yaml"
    file.write_text(change(FACTORY.format(model=STORIES, data=SHAKESPEARE, output=tmp_path / "out")))
    refused = shell(tmp_path, INGOT, "modelarts", "env", file, *arguments, check=False)
    assert refused.returncode == 2 and said in refused.stderr, refused.stderr[-500:]
    assert not (tmp_path / "out").exists()


def test_a_variable_added_to_a_script_counts(workspace):
    script = workspace / "scripts/llama2/0_pl_pretrain_13b.sh"
    script.write_text(script.read_text().replace("# CONVERT_MG2HF=TRUE:", "CONVERT_MG2HF=TRUE\nTRAIN_ITERS=7\n# CONVERT_MG2HF=TRUE:"))
    table = table_of(shell(workspace, "sh", script, "localhost", 1, 0, "--dry-run").stdout)
    assert (table["CONVERT_MG2HF"][0], table["TRAIN_ITERS"][0]) == ("TRUE", "7")


def test_variables_of_other_programs_are_left_alone():
    others = {"WORKDIR": "/w", "MA_NUM_HOSTS": 2, "MA_TASK_NAME": "worker", "NODE_NAME": "n", "NODE_IP": "1.2.3.4", "MASTER_HOST": "h", "MODEL_DIR": "/m", "TRAIN_URL": "u",
              "MASTER_PORT": "tcp://10.0.0.1:80", "GPUS_PER_NODE": 2, "VC_WORKER_HOSTS": "a,b"}
    assert table_of(shell(ROOT, INGOT, "modelarts", "env", **DATA_AND_MODEL, **others).stdout)["NPUS_PER_NODE"][0] == "2"


@pytest.mark.parametrize("variables, arguments", [({"PP": 0}, ["--num-layers-per-virtual-pipeline-stage", "2"]), ({"PP": 4}, ["--num-layers-per-virtual-pipeline-stage", "4611686018427387904"]),
                                                  ({"OUTPUT_SAVE_DIR": b"o\xff"}, []), ({}, ["--output-dir", "/zzz"]), ({"PP": "9" * 30}, ["--num-layers-per-virtual-pipeline-stage", "2"])])
def test_odd_numbers_and_texts_are_refused(variables, arguments):
    result = subprocess.run([INGOT, "modelarts", "env", *arguments], env={**CLEAN, **DATA_AND_MODEL, **{name: value if isinstance(value, bytes) else str(value) for name, value in variables.items()}},
                            capture_output=True, check=False)
    assert result.returncode == 2, result.stderr


def test_no_value_makes_a_key_of_its_own():
    found = config_of(MODEL_NAME="m", DATA_TYPE="[a]\nfoo: [b]")
    assert "foo" not in found and found["handler_name"] == "[a]\nfoo: [b]"


def test_no_steps_are_those_of_epochs():
    found = config_of(TRAIN_ITERS=0, EPOCH=5)
    assert found["num_train_epochs"] == 5 and "max_steps" not in found


def test_auto_resume_does_not_ask_for_what_it_does_not_read(workspace):
    script = ("sh", "scripts/llama2/0_pl_pretrain_13b.sh", "localhost", 1, 0)
    shell(workspace, *script, **{**QUICK, "TRAIN_ITERS": 2})
    told = shell(workspace, *script, **QUICK, MA_TRAIN_AUTO_RESUME=1, USER_CONVERTED_CKPT_PATH="/nowhere")
    assert "USER_CONVERTED_CKPT_PATH is not read" in told.stdout and "resuming after step 2" in told.stderr
    logs = sorted(file.name for file in (saved(workspace).parent / "logs").glob("rank_0.*"))
    assert len(logs) == 2 and re.fullmatch(r"rank_0\.\d{8}-\d{6}\.log", logs[0])


def test_a_link_of_the_users_stays(workspace, tmp_path):
    saved(workspace).mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    (saved(workspace) / "pretrain").symlink_to(tmp_path / "mine")
    refused = shell(workspace, "sh", "scripts/llama2/0_pl_pretrain_13b.sh", "localhost", 1, 0, **QUICK, check=False)
    assert refused.returncode == 2 and "and none of this program" in refused.stderr and (saved(workspace) / "pretrain").readlink() == tmp_path / "mine"


def test_switches_and_variables_of_such_a_file_count(tmp_path):
    file = tmp_path / "exp.yaml"
    file.write_text(NEW_FACTORY.format(output=tmp_path / "out", data=SHAKESPEARE, model=STORIES, convert="null", all="true").replace("    bf16: true", "    bf16: true\n    shuffle: false")
                    .replace('  NNODES: "1"', '  NNODES: "1"\n  ASCEND_RT_VISIBLE_DEVICES: 0,1'))
    assert yaml.safe_load(shell(tmp_path, INGOT, "modelarts", "config", file).stdout)["shuffle"] is False
    assert table_of(shell(tmp_path, INGOT, "modelarts", "env", file).stdout)["NPUS_PER_NODE"][0] == "2"


@pytest.mark.parametrize("page", ["docs/modelarts.md", "docs/zh/modelarts.md"])
def test_the_pages_name_every_variable(page):
    text = (ROOT / page).read_text()
    told = shell(ROOT, INGOT, "schema").stdout
    names = {one["x-environment"] for one in json.loads(told)["properties"].values() if one.get("x-environment")}
    names |= {"MODEL_NAME", "RUN_TYPE", "TOKENIZER_PATH", "MAX_PE", "SN", "INPUT_PROCESSED_DIR", "CKPT_SAVE_PATH", "LOG_SAVE_PATH", "ASCEND_PROCESS_LOG_PATH", "CONVERT_MG2HF",
              "USER_PROCESSED_DATA_DIR", "USER_CONVERTED_CKPT_PATH", "CKPT_LOAD_TYPE", "MA_TRAIN_AUTO_RESUME", "MASTER_ADDR", "MASTER_PORT", "NNODES", "NODE_RANK", "NPUS_PER_NODE"}
    assert not [name for name in sorted(names) if f"`{name}`" not in text]
