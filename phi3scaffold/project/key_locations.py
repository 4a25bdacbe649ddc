"""Where a key stands in a YAML or JSON text, so that a message can name its line.

PyYAML keeps the lines of what it reads, and JSON is YAML to it but for its tabs.
"""

from __future__ import annotations

from typing import NamedTuple

from phi3scaffold.project.yaml_text import compose_yaml

Key = tuple[str | int, ...]


class Places(NamedTuple):
    """Lines count from 1.

    Attributes:
        lines: path of a key, or of an element of a list -> its line.
        doubles: (path, line) of each key that stands a second time; YAML and JSON take the last.
    """

    lines: dict[Key, int]
    doubles: tuple[tuple[Key, int], ...]

    def line(self, path: Key) -> int | None:
        """Return the line of `path`, or of what holds it where it is not there itself."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def find_places(text: str) -> Places:
    """Find the places of everything in `text`; none where it is neither YAML nor JSON."""
    import yaml

    lines: dict[Key, int] = {}
    doubles: list[tuple[Key, int]] = []

    def walk(node: yaml.Node, at: Key) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                path, line = (*at, str(key.value)), key.start_mark.line + 1
                if path in lines:
                    doubles.append((path, line))
                lines[path] = line
                walk(value, path)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                lines[*at, index] = value.start_mark.line + 1
                walk(value, (*at, index))

    try:
        root = compose_yaml(text.replace("\t", " "))
    except (yaml.YAMLError, RecursionError):
        return Places({}, ())
    if root is not None:
        walk(root, ())
    return Places(lines, tuple(doubles))


def dotted(path: Key) -> str:
    """Write a key with dots: ``("passes", "lora", 0)`` as ``passes.lora[0]``."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")
