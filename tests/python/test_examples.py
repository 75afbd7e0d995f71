"""Every file in examples/ is a configuration that the program accepts, and the data beside it is what its page says."""

import json
import re

import pytest

from conftest import ROOT, STORIES, ingot

EXAMPLES = ROOT / "examples"
FAMILIES = ["baichuan2", "chatglm3", "glm-4", "llama2", "llama3", "llama3.1", "llama3.2", "mistral", "mixtral", "qwen", "qwen1.5",
            "qwen2", "qwen2.5", "yi"]
CONFIGS = sorted([*EXAMPLES.glob("*.yaml"), *(file for family in FAMILIES for file in (EXAMPLES / family).glob("*.yaml"))])
SHIPPED = {"pt": "examples/data/shakespeare.parquet", "sft": "examples/data/identity_alpaca.json"}


def keys_of(file):
    """The file's keys and values, as text."""
    return dict(re.findall(r"^(\w+): +(.*?)(?: +#.*)?$", file.read_text(), re.MULTILINE))


def check(file, folder, *overrides, **options):
    """`ingot preprocess FILE --check`, which looks at the keys alone, with a tiny folder for the model and shipped data for the user's."""
    (folder / "config.json").write_text((STORIES / "config.json").read_text())
    sets = [f"model_name_or_path={folder}", f"dataset={SHIPPED[keys_of(file)['stage']]}", *overrides]
    if "dataset_weights" in keys_of(file):
        sets = [text for text in sets if not text.startswith("dataset=")]
    return ingot("preprocess", file, "--check", *[word for text in sets for word in ("--set", text)], **options)


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_the_program_accepts_the_example(file, tmp_path):
    in_effect = check(file, tmp_path).stdout
    (tmp_path / "again.yaml").write_text(in_effect)
    assert ingot("preprocess", tmp_path / "again.yaml", "--check").stdout == in_effect
    for key, value in keys_of(file).items():
        line = re.search(rf"^{key}: (.*)$", in_effect, re.MULTILINE)
        assert line, key
        if re.fullmatch(r"[\d.e+-]+", value):
            assert float(line[1]) == float(value), key


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_a_wrong_key_in_the_example_is_refused(file, tmp_path):
    result = check(file, tmp_path, "learning_rates=1", check=False)
    assert result.returncode == 2 and "did you mean learning_rate?" in result.stderr
    result = check(file, tmp_path, "finetuning_type=half", check=False)
    assert result.returncode == 2 and "finetuning_type" in result.stderr


def test_every_family_of_the_32_models_has_its_three_files():
    models = json.loads(ingot("models", "--json").stdout)
    assert sorted({model["key"].rsplit("-", 1)[0] for model in models}) == FAMILIES
    for family in FAMILIES:
        assert sorted(file.name for file in (EXAMPLES / family).iterdir()) == ["lora.yaml", "pretrain.yaml", "sft.yaml"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_files_of_a_family_say_what_they_do_and_name_all_its_models(family):
    models = json.loads(ingot("models", "--json").stdout)
    folders = {model["repository"].split("/")[1] for model in models if model["key"].rsplit("-", 1)[0] == family}
    wanted = {"pretrain": ("pt", "full"), "sft": ("sft", "full"), "lora": ("sft", "lora")}
    for job, (stage, kind) in wanted.items():
        file = EXAMPLES / family / f"{job}.yaml"
        keys = keys_of(file)
        assert (keys["stage"], keys["finetuning_type"]) == (stage, kind)
        assert keys["output_dir"] == f"output/{family}-{job}"
        assert keys["model_name_or_path"].removeprefix("models/") in folders
        assert all(folder in file.read_text() for folder in folders)


def test_no_two_examples_write_to_the_same_folder():
    folders = [keys_of(file)["output_dir"] for file in CONFIGS]
    assert len(set(folders)) == len(folders)


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_page_links_every_example_and_each_link_exists(page):
    links = re.findall(r"\]\(([^)]+)\)", (EXAMPLES / page).read_text())
    assert all((EXAMPLES / link).exists() for link in links)
    assert {*FAMILIES, *(file.name for file in EXAMPLES.glob("*.yaml"))} <= set(links)


def read_records(name):
    text = (EXAMPLES / "data" / name).read_text()
    return json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("name", ["identity_alpaca.json", "identity_sharegpt.jsonl", "general.jsonl"])
def test_the_data_has_as_many_records_as_its_page_says(name):
    page = (EXAMPLES / "data/README.md").read_text()
    assert int(re.search(rf"`{name}` \| (\d+) ", page)[1]) == len(read_records(name))


def test_the_held_out_question_is_not_in_the_data():
    for name in ["identity_alpaca.json", "identity_sharegpt.jsonl", "general.jsonl"]:
        text = json.dumps(read_records(name), ensure_ascii=False)
        assert "France" not in text and "法国" not in text


def test_general_answers_name_no_model_and_say_where_they_come_from():
    records = read_records("general.jsonl")
    page = (EXAMPLES / "data/README.md").read_text()
    for source in ["smollm2", "written"]:
        count = sum(record["source"] == source for record in records)
        assert count > 0 and str(count) in page
    for record in records:
        assert [message["role"] for message in record["messages"]] == ["user", "assistant"]
        assert not re.search("SmolLM|Ingot|Hugging Face", record["messages"][1]["content"])
