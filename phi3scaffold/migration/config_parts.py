"""The parts of a config, each asked about by the class that Olive reads it with."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from phi3scaffold.project.key_locations import Key
from phi3scaffold.training.olive_runner import collected_warnings

READ, REFUSED, IGNORED, UNREACHED = "read", "refused", "ignored", "not reached"
NOT_ASKED = "not asked"  # Olive would run code of the file's owner to answer
# What Olive logs where it leaves keys out, and of what they are no part.
LEFT_OUT = re.compile(
    r"Keys \{(?P<keys>[^}]*)\} are not part of (?P<kind>\w+)"
    r"|Extra arg (?P<extra>\w+) is not a field of (?P<of>[\w.]+\w)"
)


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


class ConfigParts:
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
