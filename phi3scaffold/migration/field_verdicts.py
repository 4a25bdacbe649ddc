"""What the installed Olive does with each field of a config, found out by asking Olive.

Each part goes through Olive's own classes, alone, so that one mistake does not hide the next; a
field that is refused is taken out, and the rest is asked again. Nothing is trained or downloaded,
and no user_script is run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import logging
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from phi3scaffold.migration.config_parts import (
    IGNORED,
    READ,
    REFUSED,
    UNREACHED,
    ConfigParts,
    OliveVerdict,
)
from phi3scaffold.migration.data_verdicts import MODEL, ask_data, ask_inline_data
from phi3scaffold.project.algorithms import has_four_bit_base
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.key_locations import Key
from phi3scaffold.project.providers import CPU


def verdicts(content: dict[str, Any], paths: Iterable[Key]) -> dict[Key, OliveVerdict]:
    """Return the verdict on every field of a parsed config.

    Args:
        paths: the fields, as keys from the top.

    Raises:
        ScaffoldError: Olive is not installed.
    """
    try:
        import olive.workflows.run.config  # noqa: F401
    except ImportError as error:
        raise ScaffoldError(
            f"Olive cannot be asked: a package is not installed: {error.name}.",
            fix="pip install 'phi3scaffold[train]', or make setup in a project",
        ) from None
    parts = ConfigParts(content, tuple(paths))
    with _quiet():
        _ask_all(parts, content)
    return {path: parts.found.get(path, OliveVerdict(READ)) for path in parts.paths}


def _ask_all(parts: ConfigParts, content: dict[str, Any]) -> None:
    engine = content.get("engine")
    settings = {**content, **engine} if isinstance(engine, dict) else content
    _model(parts)
    for section, ask in (
        ("systems", _system),
        ("data_configs", ask_data),
        ("evaluators", _evaluator),
        ("passes", _passes),
    ):
        value = content.get(section)
        if isinstance(value, list if section == "data_configs" else dict):
            for key in range(len(value)) if isinstance(value, list) else value:
                ask(parts, (section, key))
        elif value is not None:
            _whole(parts, section)
    _engine(parts, settings)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Olive from printing what it logs, which is collected."""
    import olive  # noqa: F401 (adds its handlers)

    log, bitsandbytes = logging.getLogger("olive"), logging.getLogger("bitsandbytes")
    handlers, level = log.handlers[:], bitsandbytes.level
    log.handlers[:] = []
    bitsandbytes.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.handlers[:] = handlers
        bitsandbytes.setLevel(level)


def _model(parts: ConfigParts) -> None:
    from olive.model.config import ModelConfig
    from olive.model.config.registry import get_model_handler

    at: Key = ("input_model",)
    result = parts.ask(at, parts.content.get("input_model"), ModelConfig.model_validate)
    if result is None:
        return
    handler = get_model_handler(result.type)
    known = inspect.signature(handler.__init__).parameters
    for name in result.config:
        if name not in known:
            message = f"{handler.__name__} takes no {name}"
            parts.mark(parts.place(at, [name]) or at, OliveVerdict(REFUSED, message))


def _system(parts: ConfigParts, at: Key) -> None:
    from olive.systems.system_config import SystemConfig

    parts.ask(at, parts.at(at), SystemConfig.model_validate)


def _evaluator(parts: ConfigParts, at: Key) -> None:
    from olive.evaluator.olive_evaluator import OliveEvaluatorConfig

    parts.ask(at, parts.at(at), OliveEvaluatorConfig.model_validate)


def _whole(parts: ConfigParts, section: str) -> None:
    """Probe a section that is no list or mapping where Olive wants one."""
    from olive.workflows.run.config import RunConfig

    def make(value: Any) -> Any:
        return RunConfig.model_validate({"input_model": dict(MODEL), section: value})

    parts.ask((section,), parts.content[section], make)


def _passes(parts: ConfigParts, at: Key) -> None:
    """Probe a pass, or each one of a list."""
    value = parts.at(at)
    if isinstance(value, list):
        for index in range(len(value)):
            _passes(parts, (*at, index))
        return
    from olive.engine.config import RunPassConfig
    from olive.hardware.accelerator import AcceleratorSpec
    from olive.package_config import OlivePackageConfig

    package = OlivePackageConfig.load_default_config()
    accelerator = AcceleratorSpec("cpu", CPU)

    def make(value: Any) -> Any:
        settings = RunPassConfig.model_validate(value)
        kind = package.import_pass_module(settings.type)
        values = dict(settings.config or {})
        for key, rows in values.items():
            if key.endswith("data_config") and isinstance(rows, (str, dict)):  # asked on its own
                values[key] = {"name": "rows", "type": "HuggingfaceContainer"}
        return settings, kind.generate_config(accelerator, values, disable_search=True)

    result = parts.ask(at, parts.at(at), make)
    if result is not None:
        settings, config = result
        _training(parts, at, settings, getattr(config, "training_args", None))
        for place in _inline_data(parts, at):
            ask_inline_data(parts, place)


def _inline_data(parts: ConfigParts, at: Key) -> list[Key]:
    """Return where data configs are written inside a pass."""
    found: dict[Key, None] = {}
    for path in parts.paths:
        if path[: len(at)] == at:
            keys = [i for i in range(len(at), len(path)) if str(path[i]).endswith("data_config")]
            if keys and keys[0] < len(path) - 1:
                found[path[: keys[0] + 1]] = None
    return list(found)


def _training(parts: ConfigParts, at: Key, settings: Any, arguments: Any) -> None:
    """Mark what Olive accepts without any effect."""
    import transformers

    if has_four_bit_base(settings.type):
        message = "QLoRA takes every layer that it rounds to 4 bits in its place"
        place = parts.place(at, ["target_modules"])
        if place:
            parts.mark(place, OliveVerdict(IGNORED, message, silent=True))
    if arguments is None or isinstance(arguments, dict):
        return
    known = {field.name for field in dataclasses.fields(transformers.TrainingArguments)}
    known |= {"extra_args", "overwrite_output_dir"}
    message = f"transformers {transformers.__version__} has no such training argument: left out"
    for name in type(arguments).model_fields:
        place = parts.place(at, ["training_args", name])
        if place and name not in known:
            parts.mark(place, OliveVerdict(IGNORED, message, silent=True))


def _engine(parts: ConfigParts, settings: dict[str, Any]) -> None:
    """Probe what is part of no other section; what it names was probed already."""
    from olive.workflows.run.config import RunConfig

    nested = parts.content.get("engine")
    nested = nested if isinstance(nested, dict) else {}

    def place(key: str) -> Key:
        return ("engine", key) if key in nested else (key,)

    named = ("host", "target", "evaluator")
    of_run = set(RunConfig.model_fields)
    own = {
        key: value
        for key, value in settings.items()
        if key not in of_run and not (key in named and isinstance(value, str))
    }
    for key, value in own.items():
        at = place(key)
        if key not in named or not isinstance(value, dict):
            parts.ask(at, value, partial(_engine_setting, key), (key,))
        elif key == "evaluator":
            _evaluator(parts, at)
        else:
            _system(parts, at)
    for key in named:
        name = settings.get(key)
        at = place(key)
        section = "evaluators" if key == "evaluator" else "systems"
        if isinstance(name, str) and name not in _named(parts.content.get(section)):
            parts.mark(at, OliveVerdict(REFUSED, f"{section} has no {name}"))
        elif isinstance(name, str) and parts.has_refused((section, name)):
            parts.mark(at, OliveVerdict(UNREACHED, f"since {name} is refused"))


def _engine_setting(key: str, value: Any) -> Any:
    from olive.workflows.run.config import RunEngineConfig

    return RunEngineConfig.model_validate({key: value})


def _named(section: Any) -> Any:
    """Return what a section names: nothing where it is no mapping."""
    return section if isinstance(section, dict) else {}
