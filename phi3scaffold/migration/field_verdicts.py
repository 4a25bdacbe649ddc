"""What the installed Olive does with each field of a config, found out by asking Olive.

Each part goes through Olive's own classes, alone, so that one mistake does not hide the next; a
field that is refused is taken out, and the rest is asked again. Nothing is trained or downloaded,
and no user_script is run.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import inspect
import logging
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from phi3scaffold.project.algorithms import has_four_bit_base
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.key_locations import Key
from phi3scaffold.project.providers import CPU
from phi3scaffold.training.olive_runner import collected_warnings

READ, REFUSED, IGNORED, UNREACHED = "read", "refused", "ignored", "not reached"
NOT_ASKED = "not asked"  # Olive would run code of the file's owner to answer
# What Olive logs where it leaves keys out, and of what they are no part.
LEFT_OUT = re.compile(
    r"Keys \{(?P<keys>[^}]*)\} are not part of (?P<kind>\w+)"
    r"|Extra arg (?P<extra>\w+) is not a field of (?P<of>[\w.]+\w)"
)
COMPONENTS = ("load_dataset", "pre_process_data", "post_process_data", "dataloader")
MODEL = {"type": "HfModel", "model_path": "model", "task": "text-generation"}
# Of text_generation_huggingface_pre_process itself, not of TextGenParams.
OF_PRE_PROCESSING = ("task", "model_name", "trust_remote_code", "type")
FORMATS = ("json", "csv", "parquet", "text")


class OliveVerdict(NamedTuple):
    """What Olive does with one field.

    Attributes:
        kind: read, refused, ignored, not reached or not asked.
        message: Olive's words.
        silent: Olive goes on, and the setting has no effect.
    """

    kind: str
    message: str = ""
    silent: bool = False


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
    parts = _Parts(content, tuple(paths))
    with _quiet():
        _ask_all(parts, content)
    return {path: parts.found.get(path, OliveVerdict(READ)) for path in parts.paths}


def _ask_all(parts: _Parts, content: dict[str, Any]) -> None:
    engine = content.get("engine")
    settings = {**content, **engine} if isinstance(engine, dict) else content
    parts.model()
    for section, ask in (
        ("systems", parts.system),
        ("data_configs", parts.data),
        ("evaluators", parts.evaluator),
        ("passes", parts.passes),
    ):
        value = content.get(section)
        if isinstance(value, list if section == "data_configs" else dict):
            for key in range(len(value)) if isinstance(value, list) else value:
                ask((section, key))
        elif value is not None:
            parts.whole(section)
    parts.engine(settings)


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


class _Parts:
    """The parts of a config, each asked about by the class that Olive reads it with."""

    def __init__(self, content: dict[str, Any], paths: tuple[Key, ...]) -> None:
        self.content, self.paths = content, paths
        self.found: dict[Key, OliveVerdict] = {}

    def mark(self, at: Key, verdict: OliveVerdict) -> None:
        """Mark every field at or below `at` that has no verdict yet."""
        below = [path for path in self.paths if path[: len(at)] == at and path not in self.found]
        self.found.update(dict.fromkeys(below, verdict))

    def place(self, at: Key, names: Iterable[Any]) -> Key | None:
        """Return the field below `at` that Olive calls `names`, with or without `config` etc."""
        wanted = [name for name in names if name not in ("config", "params", "extra_args")]
        for path in self.paths:
            inner = [key for key in path[len(at) :] if key not in ("config", "params")]
            if path[: len(at)] == at and wanted and inner[: len(wanted)] == wanted:
                end = len(at)
                while wanted:
                    wanted = wanted[path[end] not in ("config", "params") :]
                    end += 1
                return path[:end]
        return None

    def ask(self, at: Key, value: Any, make: Callable[[Any], Any], within: Key = ()) -> Any:
        """Let Olive `make` something of `value`, which stands at `at`, until it refuses nothing.

        Args:
            within: what the places of Olive's errors begin with, and `at` ends with.

        Returns:
            What was made, or None where nothing can be.
        """
        import pydantic

        value = copy.deepcopy(value)
        for _ in range(100):
            with collected_warnings() as warnings:
                try:
                    result = make(copy.deepcopy(value))
                except pydantic.ValidationError as error:
                    if not self._refused(at, value, error.errors(), within):
                        return None
                    continue
                except Exception as error:  # noqa: BLE001 (whatever Olive raises is its answer)
                    self.mark(at, OliveVerdict(REFUSED, line_of(error)))
                    return None
            self._ignored(at, warnings)
            return result
        return None

    def _refused(self, at: Key, value: Any, errors: list[Any], within: Key) -> bool:
        """Mark what is refused and take it out of `value`; whether the rest can be asked."""
        for error in errors:
            loc = tuple(error["loc"])
            names = loc[len(within) :] if loc[: len(within)] == within else loc
            place = None
            while names and place is None:  # an element of a list is in no field of its own
                place, names = self.place(at, names), names[:-1]
            message = error["msg"].removeprefix("Value error, ")
            self.mark(at if place is None else place, OliveVerdict(REFUSED, message))
            if place is None or place[-1] == "type" or not _take_out(value, place[len(at) :]):
                reason = f"since {message[:1].lower()}{message[1:]}"
                self.mark(at, OliveVerdict(UNREACHED, reason))
                return False
        return True

    def _ignored(self, at: Key, warnings: list[str]) -> None:
        for match in filter(None, map(LEFT_OUT.search, warnings)):
            message = f"not part of {match['kind'] or match['of']}; a warning in the log is all"
            for name in re.findall(r"\w+", match["keys"] or match["extra"]):
                for path in self.paths:
                    if path[: len(at)] == at and name in path[len(at) :]:
                        upto = path[: path.index(name, len(at)) + 1]
                        self.mark(upto, OliveVerdict(IGNORED, message, silent=True))

    def has_refused(self, at: Key) -> bool:
        return any(p[: len(at)] == at and v.kind == REFUSED for p, v in self.found.items())

    def at(self, at: Key) -> Any:
        value: Any = self.content
        for key in at:
            value = value[key]
        return value

    def model(self) -> None:
        from olive.model.config import ModelConfig
        from olive.model.config.registry import get_model_handler

        at: Key = ("input_model",)
        result = self.ask(at, self.content.get("input_model"), ModelConfig.model_validate)
        if result is None:
            return
        handler = get_model_handler(result.type)
        known = inspect.signature(handler.__init__).parameters
        for name in result.config:
            if name not in known:
                message = f"{handler.__name__} takes no {name}"
                self.mark(self.place(at, [name]) or at, OliveVerdict(REFUSED, message))

    def system(self, at: Key) -> None:
        from olive.systems.system_config import SystemConfig

        self.ask(at, self.at(at), SystemConfig.model_validate)

    def evaluator(self, at: Key) -> None:
        from olive.evaluator.olive_evaluator import OliveEvaluatorConfig

        self.ask(at, self.at(at), OliveEvaluatorConfig.model_validate)

    def whole(self, section: str) -> None:
        """Probe a section that is no list or mapping where Olive wants one."""
        from olive.workflows.run.config import RunConfig

        def make(value: Any) -> Any:
            return RunConfig.model_validate({"input_model": dict(MODEL), section: value})

        self.ask((section,), self.content[section], make)

    def data(self, at: Key) -> None:
        from olive.common.config_utils import validate_config
        from olive.data.component.text_generation import TextGenParams
        from olive.data.config import DataConfig
        from olive.workflows.run.config import RunConfig

        def make(value: Any) -> Any:
            validate_config(copy.deepcopy(value), DataConfig)
            run = {"input_model": dict(MODEL), "data_configs": [value]}
            return RunConfig.model_validate(run).data_configs[0]

        value = self._without_code(at)
        result = self.ask(at, value, make, ("data_configs",))
        if result is None:
            return
        values = value.get("pre_process_data_config")
        if isinstance(values, dict) and result.type == "huggingfacecontainer":
            inner = {**values, **(values.get("params") or {})}
            parts = {k: v for k, v in inner.items() if k not in (*OF_PRE_PROCESSING, "params")}
            part = (*at, "pre_process_data_config")
            self.ask(part, parts, lambda value: validate_config(value, TextGenParams))
        self._load(at, result)

    def _without_code(self, at: Key) -> Any:
        """Return the data config without its user_script and the components of that script."""
        from olive.data.registry import Registry

        value = copy.deepcopy(self.at(at))
        if not isinstance(value, dict) or not value.get("user_script"):
            return value
        verdict = OliveVerdict(NOT_ASKED, "the user_script is not run here")
        for name in ("user_script", "script_dir"):
            if value.pop(name, None):
                self.mark((*at, name), verdict)
        for component in COMPONENTS:
            settings = value.get(f"{component}_config")
            kind = settings.get("type") if isinstance(settings, dict) else None
            try:
                if isinstance(kind, str):
                    Registry.get_component(component, kind)
            except KeyError:
                del value[f"{component}_config"]
                self.mark((*at, f"{component}_config"), verdict)
        return value

    def _load(self, at: Key, result: Any) -> None:
        """Olive hands `data_files` to datasets as it is; only a local mapping is tried out."""
        params = result.load_dataset_config.params
        files = params.get("data_files")
        if params.get("data_name") not in FORMATS or not isinstance(files, dict):
            return
        if "type" not in files:
            return
        import datasets

        place = self.place(at, ["load_dataset_config", "data_files"]) or at
        with tempfile.TemporaryDirectory() as scratch:
            try:
                datasets.load_dataset(params["data_name"], data_files=files, cache_dir=scratch)
            except Exception as error:  # noqa: BLE001 (whatever it raises is its answer)
                self.mark(place, OliveVerdict(REFUSED, f"when rows are read: {line_of(error)}"))

    def passes(self, at: Key) -> None:
        """Probe a pass, or each one of a list."""
        value = self.at(at)
        if isinstance(value, list):
            for index in range(len(value)):
                self.passes((*at, index))
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
            for key, name in values.items():
                if key.endswith("data_config") and isinstance(name, str):  # asked on its own
                    values[key] = {"name": "rows", "type": "HuggingfaceContainer"}
            return settings, kind.generate_config(accelerator, values, disable_search=True)

        result = self.ask(at, self.at(at), make)
        if result is not None:
            settings, config = result
            self._training(at, settings, getattr(config, "training_args", None))

    def _training(self, at: Key, settings: Any, arguments: Any) -> None:
        """Mark what Olive accepts without any effect."""
        import transformers

        if has_four_bit_base(settings.type):
            message = "QLoRA takes every layer that it rounds to 4 bits in its place"
            place = self.place(at, ["target_modules"])
            if place:
                self.mark(place, OliveVerdict(IGNORED, message, silent=True))
        if arguments is None or isinstance(arguments, dict):
            return
        known = {field.name for field in dataclasses.fields(transformers.TrainingArguments)}
        known |= {"extra_args", "overwrite_output_dir"}
        message = f"transformers {transformers.__version__} has no such training argument: left out"
        for name in type(arguments).model_fields:
            place = self.place(at, ["training_args", name])
            if place and name not in known:
                self.mark(place, OliveVerdict(IGNORED, message, silent=True))

    def engine(self, settings: dict[str, Any]) -> None:
        """Probe what is part of no other section; what it names was probed already."""
        from olive.workflows.run.config import RunConfig

        nested = self.content.get("engine")
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
                self.ask(at, value, partial(_engine_setting, key), (key,))
            elif key == "evaluator":
                self.evaluator(at)
            else:
                self.system(at)
        for key in named:
            name = settings.get(key)
            at = place(key)
            section = "evaluators" if key == "evaluator" else "systems"
            if isinstance(name, str) and name not in (self.content.get(section) or {}):
                self.mark(at, OliveVerdict(REFUSED, f"{section} has no {name}"))
            elif isinstance(name, str) and self.has_refused((section, name)):
                self.mark(at, OliveVerdict(UNREACHED, f"since {name} is refused"))


def _engine_setting(key: str, value: Any) -> Any:
    from olive.workflows.run.config import RunEngineConfig

    return RunEngineConfig.model_validate({key: value})


def _take_out(value: Any, path: Key) -> bool:
    """Remove the field at `path`; whether it was there and may go."""
    try:
        for key in path[:-1]:
            value = value[key]
    except (KeyError, IndexError, TypeError):
        return False
    if not path or not isinstance(value, dict) or path[-1] not in value:
        return False
    del value[path[-1]]
    return True


def line_of(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]
