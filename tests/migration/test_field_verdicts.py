"""What the installed Olive does with old fields: facts that it is asked for, not told."""

from __future__ import annotations

from pathlib import Path

import pytest

from phi3scaffold import migration
from phi3scaffold.migration.fields import FIELDS
from phi3scaffold.pipeline import environment

environment.prepare()
pytest.importorskip("olive")

from phi3scaffold.migration.field_verdicts import OliveVerdict, verdicts  # noqa: E402

SAMPLES = Path(__file__).parent / "samples"
PRE = "pre_process_data_config.params"
LOAD = "load_dataset_config.params"

ROWS = "passes.tune.config.train_data_config"
ALL_OF_THEM = f"{ROWS}.params_config.component_kwargs.pre_process_data"

# file, field, kind, what Olive's words hold
CLAIMS = [
    ("local-0.6.json", "input_model.type", "read", ""),
    ("local-0.6.json", "input_model.config.hf_config.model_name", "refused", "hf_config"),
    ("local-0.6.json", "systems.here.config.accelerators[0].device", "read", ""),
    ("local-0.6.json", f"data_configs[0].{PRE}.text_template", "read", ""),
    ("local-0.6.json", f"data_configs[0].{PRE}.dataset_type", "ignored", "TextGenParams"),
    ("local-0.6.json", f"data_configs[0].{PRE}.corpus_strategy", "ignored", "TextGenParams"),
    ("local-0.6.json", f"data_configs[0].{PRE}.source_max_len", "ignored", "TextGenParams"),
    ("local-0.6.json", "passes.lora.config.target_modules", "read", ""),
    ("local-0.6.json", "passes.lora.config.lora_r", "ignored", "LoRAConfig"),
    ("local-0.6.json", "passes.lora.config.lora_alpha", "ignored", "LoRAConfig"),
    ("local-0.6.json", "passes.lora.config.double_quant", "ignored", "LoRAConfig"),
    ("local-0.6.json", "passes.lora.config.eval_dataset_size", "ignored", "LoRAConfig"),
    (
        "local-0.6.json",
        "passes.lora.config.training_args.evaluation_strategy",
        "ignored",
        "not part",
    ),
    ("local-0.6.json", "passes.lora.config.training_args.group_by_length", "ignored", "not part"),
    ("local-0.6.json", "passes.lora.config.training_args.seed", "read", ""),
    ("azure-0.6.json", "azureml_client.subscription_id", "refused", "not permitted"),
    ("azure-0.6.json", "azureml_client.keyvault_name", "refused", "not permitted"),
    ("azure-0.6.json", "input_model.config.model_path.config.registry_name", "read", ""),
    ("azure-0.6.json", "systems.cluster.type", "refused", "LocalSystem"),
    ("azure-0.6.json", "systems.cluster.config.aml_compute", "not reached", "LocalSystem"),
    ("azure-0.6.json", "engine.host", "not reached", "cluster"),
    ("azure-0.6.json", f"data_configs[0].{LOAD}.data_files.type", "refused", "when rows are read"),
    ("azure-0.6.json", "passes.qlora.config.double_quant", "read", ""),
    ("azure-0.6.json", "passes.qlora.config.target_modules", "ignored", "every layer"),
    ("azure-0.6.json", "passes.qlora.config.training_args.warmup_ratio", "ignored", "transformers"),
    ("toolkit-0.3.json", "data_configs.code_train.name", "refused", ""),
    ("toolkit-0.3.json", "passes.qlora.disable_search", "ignored", "QLoRAConfig"),
    ("toolkit-0.3.json", "engine.target.type", "read", ""),
    ("toolkit-0.3.json", "engine.target.config.accelerators", "refused", "AcceleratorConfig"),
    ("toolkit-0.3.json", "engine.execution_providers", "refused", "not permitted"),
    ("toolkit-0.7.json", "passes.tune.use_ort_trainer", "ignored", "LoRAConfig"),
    ("toolkit-0.7.json", "passes.tune.shiny_new_thing", "ignored", "LoRAConfig"),
    ("toolkit-0.7.json", "passes.tune.training_args.made_up_argument", "ignored", "not part"),
    ("messy.json", "passes.lora.lora_r", "ignored", "LoRAConfig"),
    # a data config inside a pass
    ("inline-0.3.json", f"{ROWS}.name", "read", ""),
    ("inline-0.3.json", f"{ROWS}.type", "read", ""),
    ("inline-0.3.json", f"{ROWS}.params_config.data_name", "ignored", "no rows are loaded"),
    ("inline-0.3.json", f"{ROWS}.params_config.split", "ignored", "no field of DataConfig"),
    ("inline-0.3.json", f"{ALL_OF_THEM}.text_template", "ignored", "dropped without a warning"),
    ("inline-0.3.json", f"{ALL_OF_THEM}.source_max_len", "ignored", "dropped without a warning"),
    ("inline-0.3.json", f"{ROWS}.nonsense", "ignored", "no field of DataConfig"),
    ("inline-0.3.json", f"{ROWS}.load_dataset_config.made_up", "refused", "takes no made_up"),
    (
        "inline-0.3.json",
        f"{ROWS}.pre_process_data_config.text_template",
        "ignored",
        "huggingface_pre_process",
    ),
    ("inline-0.3.json", f"{ROWS}.pre_process_data_config.max_samples", "read", ""),
    ("inline-0.3.json", "passes.tune.config.lora_r", "ignored", "QLoRAConfig"),
]


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, OliveVerdict]]:
    """File -> field -> verdict."""
    told = {}
    for path in SAMPLES.glob("*.json"):
        old = migration.read(path)
        kinds = verdicts(old.content, [leaf.path for leaf in old.leaves])
        told[path.name] = {leaf.name: kinds[leaf.path] for leaf in old.leaves}
    return told


@pytest.mark.parametrize(("file", "name", "kind", "said"), CLAIMS)
def test_what_olive_does(
    file: str, name: str, kind: str, said: str, found: dict[str, dict[str, OliveVerdict]]
) -> None:
    verdict = found[file][name]
    assert verdict.kind == kind
    assert said in verdict.message
    assert verdict.silent is (kind == "ignored")


def test_code_of_the_config_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = tmp_path / "ran"
    Path("script.py").write_text(f"open({str(ran)!r}, 'w')", encoding="utf-8")
    load = {"type": "load_my_rows", "language": "Rust"}
    rows = {"name": "a", "type": "HuggingfaceContainer", "user_script": "script.py"}
    paths = [
        ("data_configs", 0, *path)
        for path in (("name",), ("user_script",), ("load_dataset_config", "type"))
    ]
    found = verdicts({"data_configs": [rows | {"load_dataset_config": load}]}, paths)
    assert [found[path].kind for path in paths] == ["read", "not asked", "not asked"]
    assert not ran.exists()


def test_a_data_config_inside_a_pass_is_what_the_installed_olive_makes_of_it() -> None:
    """The verdicts say the same as the object that a run of the whole file gets."""
    from olive.hardware.accelerator import AcceleratorSpec
    from olive.package_config import OlivePackageConfig
    from olive.workflows.run.config import RunConfig

    content = migration.read(SAMPLES / "inline-0.3.json").content
    tune = {"tune": content["passes"]["tune"]}
    run = RunConfig.model_validate(
        {"input_model": {"type": "HfModel", "model_path": "x"}, "passes": tune}
    )
    settings = run.passes["tune"][0]
    kind = OlivePackageConfig.load_default_config().import_pass_module(settings.type)
    made = kind.generate_config(
        AcceleratorSpec("cpu", "CPUExecutionProvider"), dict(settings.config), disable_search=True
    ).train_data_config
    assert made.name == "codes_train"
    assert made.load_dataset_params["data_name"] is None
    assert made.pre_process_data_config.type == "huggingface_pre_process"
    assert "nonsense" not in made.model_dump()
    with pytest.raises(AssertionError, match="data name"):
        made.load_dataset(**made.load_dataset_params)


def test_code_of_a_config_inside_a_pass_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = tmp_path / "ran"
    Path("script.py").write_text(f"open({str(ran)!r}, 'w')", encoding="utf-8")
    rows = {"name": "a", "type": "HuggingfaceContainer", "user_script": "script.py"}
    place = ("passes", "x", "train_data_config")
    content = {"passes": {"x": {"type": "LoRA", "train_data_config": rows}}}
    found = verdicts(content, [(*place, "name"), (*place, "user_script")])
    assert [verdict.kind for verdict in found.values()] == ["read", "not asked"]
    assert not ran.exists()


def test_a_file_as_a_whole_is_refused_where_a_field_is(
    found: dict[str, dict[str, OliveVerdict]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts are asked alone; Olive says the same of the whole file."""
    from olive.workflows.run.config import RunConfig

    monkeypatch.chdir(SAMPLES)
    refused = {}
    for path in SAMPLES.glob("*.json"):
        try:
            RunConfig.model_validate(migration.read(path).content)
            refused[path.name] = False
        except Exception:  # noqa: BLE001 (Olive raises more than ValidationError)
            refused[path.name] = True
    # what is refused only when the model is made, or its rows are read
    later = ("input_model.", "data_files")
    assert refused == {
        file: any(
            verdict.kind == "refused" and not any(mark in name for mark in later)
            for name, verdict in fields.items()
        )
        for file, fields in found.items()
    }


def test_a_config_of_today_has_nothing_to_say(found: dict[str, dict[str, OliveVerdict]]) -> None:
    assert {verdict.kind for verdict in found["flat-0.9.json"].values()} == {"read"}


def test_the_table_keeps_only_training_arguments_that_there_are() -> None:
    import dataclasses

    import transformers

    known = {field.name for field in dataclasses.fields(transformers.TrainingArguments)}
    mark = "passes.finetune.training_args."
    kept = {rule.at.partition(mark)[2].split(".")[0] for rule in FIELDS.values() if mark in rule.at}
    assert len(kept) > 20
    assert kept <= known


def test_the_table_keeps_only_settings_that_some_pass_has() -> None:
    from olive.hardware.accelerator import AcceleratorSpec
    from olive.passes.pytorch import lora

    spec = AcceleratorSpec("cpu", "CPUExecutionProvider")
    passes = (lora.LoRA, lora.QLoRA, lora.DoRA, lora.LoHa, lora.LoKr)
    known = {name for one in passes for name in one.default_config(spec)}
    mark = "passes.finetune."
    kept = {rule.at.partition(mark)[2].split(".")[0] for rule in FIELDS.values() if mark in rule.at}
    assert kept <= known
