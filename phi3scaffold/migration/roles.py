"""What part a field plays, whatever the version called its place.

An address such as ``finetune.training_args.seed`` is the same for ``passes.lora.config...``,
``passes.qlora...`` and ``passes.x[0]...``; the table of fields is written in addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from phi3scaffold.generator import template
from phi3scaffold.project.algorithms import algorithm_of
from phi3scaffold.project.key_locations import Key
from phi3scaffold.project.quantizers import QUANTIZERS

# Passes of older versions that round weights -> today's quantizer; "" where none is needed.
ROUNDING = {one.name: one.name for one in QUANTIZERS} | {
    "gptqquantizer": "gptq",
    "autoawqquantizer": "", "onnxmatmul4quantizer": "", "onnxblockwisertnquantization": "",
    "onnxbnb4quantization": "", "onnxdynamicquantization": "", "onnxstaticquantization": "",
    "onnxquantization": "", "incquantization": "", "incdynamicquantization": "",
    "incstaticquantization": "", "onnxhqqquantization": "", "nvmodeloptquantization": "",
    "quarot": "", "spinquant": "",
}  # fmt: skip
CONVERTERS = (
    "onnxconversion", "ortransformersoptimization", "orttransformersoptimization",
    "orttransformeroptimization", "optimumconversion", "optimummerging", "onnxmodeloptimizer",
    "onnxpeepholeoptimizer", "onnxfloattofloat16", "onnxiofloat16tofloat32",
    "onnxiodatatypeconverter", "ortperftuning", "ortsessionparamstuning", "insertbeamsearch",
    "moveexternaldata", "appendprepostprocessingops", "dynamictofixedshape",
    "torchtraceconversion", "ortmixedprecision", "mixedprecisionoverrides",
)  # fmt: skip
PASS_ROLES = {
    "mergeadapterweights": "merge", "extractadapters": "extract",
    "modelbuilder": "build", "genaimodelexporter": "build",  # its name until 0.5.2
}  # fmt: skip
# Where an old version put a level between an object and its settings.
WRAPPERS = ("config", "params", "params_config", "component_kwargs", "components")
# With `_config` behind their names, too.
COMPONENTS = {
    "load_dataset": "load", "pre_process_data": "pre_process",
    "post_process_data": "post_process", "dataloader": "dataloader",
}  # fmt: skip
SAME = {"azureml_client_config": "azureml_client"}  # what two versions called differently
OF_A_DATA_CONFIG = ("name", "type", "user_script", "script_dir")


class Roles:
    """The parts of one config.

    Attributes:
        passes: name -> settings.
        training: the name of the pass that trains: the flow's, else the first; or None.
        algo: the answer for --algo that it stands for, or None.
        train_data, eval_data, system: the keys of the data configs and of the system it uses.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.engine = {**content, **_dict(content.get("engine"))}
        self.passes = {name: _first(value) for name, value in _items(content.get("passes"))}
        types = {name: _type(settings) for name, settings in self.passes.items()}
        trains = [name for name, kind in types.items() if algorithm_of(kind)]
        flow = [name for name in _flow(self.engine.get("pass_flows")) if name in trains]
        self.training = next(iter(flow + trains), None)
        algorithm = algorithm_of(types.get(self.training or ""))
        self.algo = (algorithm.instead or algorithm.name) if algorithm else None
        self._pass_roles = {name: self._pass_role(name, kind) for name, kind in types.items()}
        settings = {} if self.training is None else flat(self.passes[self.training])
        self.train_data = self._data(settings.get("train_data_config"), first=True)
        self.eval_data = self._data(settings.get("eval_data_config"))
        self.system = self._used_system()

    def _pass_role(self, name: str | int, kind: str) -> str:
        if name == self.training:
            return "finetune"
        if algorithm_of(kind):
            return "other_training"
        if kind in ROUNDING:
            return "quantize"
        return "convert" if kind in CONVERTERS else PASS_ROLES.get(kind, "other_pass")

    def _data(self, name: Any, *, first: bool = False) -> str | int | None:
        """Return the key of the data config that the training pass names; else the first."""
        configs = list(_items(self.content.get("data_configs")))
        for key, config in configs:
            if isinstance(name, str) and name in (key, _dict(config).get("name")):
                return key
        return configs[0][0] if first and configs and not isinstance(name, dict) else None

    def _used_system(self) -> str | int | None:
        systems = [name for name, _ in _items(self.content.get("systems"))]
        named = [self.engine.get(key) for key in ("host", "target")]
        chosen = next((name for name in named if name in systems), None)
        if chosen is None and systems and not any(map(_dict, named)):
            return systems[0]
        return chosen

    def address(self, path: Key) -> str:
        """Return the address of the field at `path`."""
        head, rest = str(path[0]), path[1:]
        if head == "engine" and rest:
            return self.address(rest)
        if head == "input_model":
            return _join("model", rest)
        if head in ("host", "target") and rest:
            return _join("system", rest)
        if head == "systems" and rest:
            return _join("system" if rest[0] == self.system else "other_system", rest[1:])
        if head == "data_configs" and rest:
            roles = {self.eval_data: "eval", self.train_data: "train"}
            return _data_address(roles.get(rest[0], "other_data"), rest[1:])
        if head == "passes" and rest:
            role = self._pass_roles.get(rest[0], "other_pass")
            inner = _plain(rest[1:])
            for key, data in (("train_data_config", "train"), ("eval_data_config", "eval")):
                if role == "finetune" and inner[:1] == [key] and len(inner) > 1:
                    return _data_address(data, rest[rest.index(key) + 1 :])
            return _join(role, rest[1:])
        return _join("engine", path)

    def target(self) -> str | None:
        """Return the answer for --target: what the system in use is, or None."""
        used = None if self.system is None else dict(_items(self.content["systems"]))[self.system]
        named = (used, self.engine.get("host"), self.engine.get("target"))
        systems = [_dict(system) for system in named]
        for system in systems:
            if _type(system) == "azureml":
                kubernetes = _dict(flat(system).get("resources")).get("instance_type")
                return _azure_target(bool(kubernetes), str(self.system))
        providers = _listed(self.engine.get("execution_providers"))
        found = [*(word for system in systems for word in _words(system)), *providers]
        words = [str(word).lower() for word in found]
        for mark, target in (("dml", "directml"), ("cuda", "cuda"), ("gpu", "cuda")):
            if any(mark in word for word in words):
                return target
        return "cpu" if any("cpu" in word for word in words) else None


def _azure_target(kubernetes: bool, system: str) -> str:
    """Return the target that a system of Azure ML is; its name may say that it is a cluster's."""
    targets = template.targets()
    clusters = [name for name in template.cloud_targets() if targets[name]["kubernetes"]]
    if kubernetes or any(name in system.lower() for name in clusters):
        return clusters[0]
    return next(name for name in template.cloud_targets() if name not in clusters)


def flat(settings: Any) -> dict[str, Any]:
    """Return the settings of an object, with those of its `config` among them."""
    found = _dict(settings)
    return {**found, **_dict(found.get("config"))}


def _plain(path: Key) -> list[str]:
    """Return the names on a path, without indexes and wrappers."""
    return [str(key) for key in path if key not in WRAPPERS and not isinstance(key, int)]


def _join(role: str, rest: Key) -> str:
    return ".".join([role, *(SAME.get(key, key) for key in _plain(rest))])


def _data_address(role: str, rest: Key) -> str:
    """Return the address of a data component's field; `params_config` held those of all."""
    inner = _plain(rest)
    component = COMPONENTS.get(inner[0].removesuffix("_config")) if inner else None
    if (
        component and len(inner) > 2 and inner[1] in COMPONENTS
    ):  # component_kwargs, one level deeper
        inner = [COMPONENTS[inner[1]], *inner[2:]]
    elif component:
        inner[0] = component
    elif inner and inner[0] not in OF_A_DATA_CONFIG and "params_config" in rest:
        inner = ["load", *inner]
    return ".".join([role, *inner])


def _words(system: dict[str, Any]) -> Iterator[Any]:
    """Yield what the accelerators of a system name: devices and execution providers."""
    for one in _listed(flat(system).get("accelerators")):
        if isinstance(one, dict):
            yield from (one.get("device"), *_listed(one.get("execution_providers")))
        else:
            yield one


def _items(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _flow(value: Any) -> list[Any]:
    """Return the names of the first of the `pass_flows`, which may be the only one."""
    flows = value if isinstance(value, list) else []
    return flows[0] if flows and isinstance(flows[0], list) else flows


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _first(value: Any) -> dict[str, Any]:
    return _dict(value[0] if isinstance(value, list) and value else value)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _type(settings: Any) -> str:
    return str(_dict(settings).get("type", "")).lower()
