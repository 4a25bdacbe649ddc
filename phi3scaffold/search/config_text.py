"""Write a search's winner into the text of olive-config.json, every other character as it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.olive_config import OliveConfig
from phi3scaffold.project.text_edit import with_settings
from phi3scaffold.search.points import Passes, calibration, own_passes, reads_rows, with_passes

STEP = "  "  # indentation


def replace_passes(text: str, config: OliveConfig, passes: Passes) -> str:
    """Return the file's text with other passes between the merge and the builder.

    A pass that stays as it is keeps its characters; where only a builder's key changes, only that.
    """
    own = own_passes(config)
    builder = list(own)[-1]
    before = list(own)[:-1]
    changed = {name: settings for name, settings in passes.items() if name != builder}
    if list(changed.items()) != [(name, own[name]) for name in before]:
        text = _with_block(text, before, builder, changed)
    keys: dict[tuple[str, ...], Any] = {
        ("passes", builder, key): value
        for key, value in passes[builder].items()
        if own[builder].get(key) != value
    }
    if keys:
        text = with_settings(text, keys)
    wanted = with_passes(config, passes).content
    if wanted["data_configs"] != config.content["data_configs"]:
        assert reads_rows(passes)
        text = _with_rows(text, calibration(config))
    if json.loads(text) != wanted:
        raise ScaffoldError(
            "The winner could not be written into the config.",
            where=config.path,
            fix="write its passes there by hand; gen-model/search/search.json has them",
            exit_code=FAILED_RUN,
        )
    return text


def _with_block(text: str, before: Sequence[str], builder: str, passes: Passes) -> str:
    """Replace the passes named in `before`, which stand in front of the builder."""
    entries = {key.value: key for key, _ in _node(text, "passes").value}
    start = entries[before[0] if before else builder].start_mark.index
    end = entries[builder].start_mark
    indent = " " * end.column
    written = [f"{json.dumps(name)}: {as_text(one, indent)}" for name, one in passes.items()]
    block = f",\n{indent}".join([*written, ""])
    return text[:start] + block + text[end.index :]


def _with_rows(text: str, rows: dict[str, Any]) -> str:
    """Put another data config behind the last one."""
    last = _node(text, "data_configs").value[-1]
    indent = " " * last.start_mark.column
    end = last.end_mark.index
    return f"{text[:end]},\n{indent}{as_text(rows, indent)}{text[end:]}"


def as_text(value: Any, indent: str, *, outer: bool = True) -> str:
    """Return settings as the template writes them: the outer keys each on a line of its own."""
    nested = isinstance(value, dict) and any(isinstance(one, dict) for one in value.values())
    if not isinstance(value, dict) or not (outer or nested or len(json.dumps(value)) > 70):
        return json.dumps(value, ensure_ascii=False)
    inner = indent + STEP
    lines = [
        f"{inner}{json.dumps(key)}: {as_text(one, inner, outer=False)}"
        for key, one in value.items()
    ]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def _node(text: str, key: str) -> Any:
    """Return YAML's node of a key of the outermost mapping; to it JSON is YAML."""
    import yaml

    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    return next(value for name, value in root.value if name.value == key)
