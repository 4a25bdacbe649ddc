"""Every name in the training pass's target_modules is a module of the model.

Phi-3 fuses q, k and v into `qkv_proj`, gate and up into `gate_up_proj`; other models have them
apart. A list for another model, with `q_proj` in it for Phi-3, matches little or nothing, and PEFT
trains what is left without a word. The names are read from the headers of the weights in
model-cache/base, or, before they are there, from the catalogue.

To fix it: take the names that the message lists. `--fix` puts the model's own modules in the place
of another family's.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator

from phi3scaffold.checks.lint_context import OLIVE, FileChange, LintContext
from phi3scaffold.models import catalogue
from phi3scaffold.models.families.family import Family
from phi3scaffold.models.families.registry import DEFAULT
from phi3scaffold.project.algorithms import algorithm_of
from phi3scaffold.project.findings import Finding, Skip
from phi3scaffold.project.key_locations import Key
from phi3scaffold.project.near_names import near_names

ID = "L10-target-modules"
OTHERS = ("lm_head", "embed_tokens")


def check(context: LintContext) -> Iterator[Finding]:
    config = context.document(OLIVE)
    lists = list(_module_lists(context))
    if config is None or not lists:
        raise Skip("the Olive config names no target modules")
    modules = _modules(context)
    if not modules:
        raise Skip("the model's weights are not here yet: phi3scaffold model")
    names = sorted({module.rpartition(".")[2] for module in modules})
    for at, wanted in lists:
        for index, name in enumerate(wanted):
            if any(_matches(name, module) for module in modules):
                continue
            own = _family(context).own_modules(name)
            near = own if own != (name,) else near_names(name, names)
            place = config.at(*at, index) if isinstance(config.get(*at), list) else config.at(*at)
            fix = f"did you mean {', '.join(near)}? " if near else ""
            what = f"The model has no module {name!r}: nothing would be trained by that name."
            yield Finding(ID, "error", what, place, f"{fix}Its modules: {', '.join(names)}")


def _module_lists(context: LintContext) -> Iterator[tuple[Key, list[str]]]:
    """Yield each training pass's list and where it stands; a single text is a pattern."""
    config = context.document(OLIVE)
    for name, settings in config.mappings("passes") if config else ():
        algorithm = algorithm_of(str(settings.get("type")).lower())
        chosen = algorithm is not None and not algorithm.four_bit_base
        value = settings.get("target_modules") if chosen else None
        at = ("passes", name, "target_modules")
        if isinstance(value, str) and value != "all-linear":
            yield at, [value]
        elif isinstance(value, list):
            yield at, [str(one) for one in value]


def _modules(context: LintContext) -> list[str]:
    """Return the names of all modules with a matrix, from the weights or the catalogue."""
    from phi3scaffold.models.weight_files import read_header

    found = []
    for path in sorted((context.root / "model-cache" / "base").glob("*.safetensors")):
        try:
            _, header = read_header(path)
        except (OSError, ValueError):
            return []
        found += [
            name.removesuffix(".weight")
            for name, about in header.items()
            if name.endswith(".weight") and len((about or {}).get("shape", ())) == 2
        ]
    entry = catalogue.find(context.project.model_id) if context.project and not found else None
    return [*entry.target_modules, *OTHERS] if entry else found


def _family(context: LintContext) -> Family:
    from phi3scaffold.models.base_model import base_family

    return base_family(context.project) if context.project else DEFAULT


def _matches(name: str, module: str) -> bool:
    """Match as PEFT does: a name is the end of a module's path; a pattern is the whole of it."""
    if module == name or module.endswith(f".{name}"):
        return True
    try:
        return re.search(r"[\\*+?|()\[\]^$]", name) is not None and bool(
            re.fullmatch(name, module) or re.fullmatch(name, f"model.layers.0.{module}")
        )
    except re.error:
        return False


def fix(context: LintContext) -> Iterator[FileChange]:
    """Put the family's modules in place of another's, where there is one such list."""
    lists, text = list(_module_lists(context)), context.text(OLIVE)
    modules = _modules(context)
    pattern = r'("target_modules"\s*:\s*)\[[^\]]*\]'
    if len(lists) != 1 or text is None or not modules or len(re.findall(pattern, text)) != 1:
        return
    (_, names), known = lists[0], {module.rpartition(".")[2] for module in modules}
    family = _family(context)
    own = [(name,) if name in known else family.own_modules(name) for name in names]
    new = list(dict.fromkeys(itertools.chain.from_iterable(own)))
    if new != names and set(new) <= known:
        changed = re.sub(pattern, lambda match: match[1] + json.dumps(new), text)
        yield FileChange(OLIVE, changed, f"target_modules: the model's, {', '.join(new)}")
