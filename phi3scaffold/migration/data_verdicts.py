"""What the installed Olive does with a data config, in the list of them or inside a pass."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import re
import tempfile
from typing import Any

from phi3scaffold.migration.config_parts import (
    IGNORED,
    NOT_ASKED,
    REFUSED,
    ConfigParts,
    OliveVerdict,
    line_of,
)
from phi3scaffold.project.key_locations import Key

COMPONENTS = ("load_dataset", "pre_process_data", "post_process_data", "dataloader")
MODEL = {"type": "HfModel", "model_path": "model", "task": "text-generation"}
# Of text_generation_huggingface_pre_process itself, not of TextGenParams.
OF_PRE_PROCESSING = ("task", "model_name", "trust_remote_code", "type")
TEXT_GENERATION = "text_generation_huggingface_pre_process"
KEYWORD = re.compile(r"""kwargs\.(?:get|pop)\("(\w+)\"""")  # what Olive takes out of `**kwargs`
FORMATS = ("json", "csv", "parquet", "text")


def ask_data(parts: ConfigParts, at: Key) -> None:
    """Probe one of the `data_configs`."""
    from olive.common.config_utils import validate_config
    from olive.data.config import DataConfig
    from olive.workflows.run.config import RunConfig

    def make(value: Any) -> Any:
        validate_config(copy.deepcopy(value), DataConfig)
        run = {"input_model": dict(MODEL), "data_configs": [value]}
        return RunConfig.model_validate(run).data_configs[0]

    value = _without_code(parts, at)
    result = parts.ask(at, value, make, ("data_configs",))
    if result is None:
        return
    _pre_process(parts, at, value, result)
    _load(parts, at, result)


def ask_inline_data(parts: ConfigParts, at: Key) -> None:
    """Probe a data config inside a pass: Olive makes it in place, and logs nothing left out.

    The task is filled in only in the list of `data_configs`; without it the rows are not taken for
    text generation.
    """
    from olive.data.config import DataConfig

    value = _without_code(parts, at)
    result = parts.ask(at, value, lambda value: DataConfig(**value))
    if result is None:
        return
    for key, inner in value.items():
        if key in DataConfig.model_fields:
            continue
        message = "no field of DataConfig: dropped without a warning"
        if isinstance(inner, dict) and "data_name" in inner:
            message += ", so no data_name is left, and no rows are loaded"
        parts.mark((*at, key), OliveVerdict(IGNORED, message, silent=True))
    _pre_process(parts, at, value, result)
    _load(parts, at, result)


def _pre_process(parts: ConfigParts, at: Key, value: Any, result: Any) -> None:
    """Mark what the component that prepares the rows leaves out."""
    from olive.common.config_utils import validate_config
    from olive.data.component import pre_process_data
    from olive.data.component.text_generation import TextGenParams

    values = value.get("pre_process_data_config")
    if not isinstance(values, dict) or result.type != "huggingfacecontainer":
        return
    params = values.get("params")
    inner = {**values, **(params if isinstance(params, dict) else {})}
    own = {k: v for k, v in inner.items() if k not in (*OF_PRE_PROCESSING, "params")}
    part, kind = (*at, "pre_process_data_config"), result.pre_process_data_config.type
    if kind == TEXT_GENERATION:
        parts.ask(part, own, lambda value: validate_config(value, TextGenParams))
        return
    known = set(inspect.signature(result.pre_process).parameters)
    known |= set(KEYWORD.findall(inspect.getsource(pre_process_data)))
    message = f"without task: text-generation the rows go through {kind}, which does not use it"
    for name in own:
        place = parts.place(part, [name])
        if place and name not in known:
            parts.mark(place, OliveVerdict(IGNORED, message, silent=True))


def _without_code(parts: ConfigParts, at: Key) -> Any:
    """Return the data config without its user_script and the components of that script."""
    from olive.data.registry import Registry

    value = copy.deepcopy(parts.at(at))
    if not isinstance(value, dict) or not value.get("user_script"):
        return value
    verdict = OliveVerdict(NOT_ASKED, "the user_script is not run here")
    for name in ("user_script", "script_dir"):
        if value.pop(name, None):
            parts.mark((*at, name), verdict)
    for component in COMPONENTS:
        settings = value.get(f"{component}_config")
        kind = settings.get("type") if isinstance(settings, dict) else None
        try:
            if isinstance(kind, str):
                Registry.get_component(component, kind)
        except KeyError:
            del value[f"{component}_config"]
            parts.mark((*at, f"{component}_config"), verdict)
    return value


def _load(parts: ConfigParts, at: Key, result: Any) -> None:
    """Mark what datasets refuses of the settings that Olive hands to it as they are.

    A mapping of `data_files` with a `type`, as old versions had it, is tried out: it is a file.
    """
    if result.load_dataset_config.type != "huggingface_dataset":
        return
    import datasets

    params = result.load_dataset_config.params
    for name in set(params) - _load_settings(result.load_dataset):
        message = f"when rows are read: datasets {datasets.__version__} takes no {name}"
        place = parts.place(at, ["load_dataset_config", name])
        if place:
            parts.mark(place, OliveVerdict(REFUSED, message))
    files = params.get("data_files")
    if params.get("data_name") not in FORMATS or not isinstance(files, dict):
        return
    if "type" not in files:
        return
    place = parts.place(at, ["load_dataset_config", "data_files"]) or at
    with tempfile.TemporaryDirectory() as scratch:
        try:
            datasets.load_dataset(params["data_name"], data_files=files, cache_dir=scratch)
        except Exception as error:  # noqa: BLE001 (whatever it raises is its answer)
            parts.mark(place, OliveVerdict(REFUSED, f"when rows are read: {line_of(error)}"))


def _load_settings(component: Any) -> set[str]:
    """Return what Olive's component, `load_dataset` and its builders of files take."""
    import datasets
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES as modules

    known = set(inspect.signature(component).parameters)
    known |= set(inspect.signature(datasets.load_dataset).parameters)
    for name in FORMATS:
        builder = importlib.import_module(modules[name][0])
        for kind in vars(builder).values():
            if isinstance(kind, type) and issubclass(kind, datasets.BuilderConfig):
                known |= {field.name for field in dataclasses.fields(kind)}
    return known
