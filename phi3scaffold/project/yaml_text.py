"""Reading YAML that somebody else may have written: what is short stays small.

YAML's aliases let a text of 200 bytes stand for gigabytes ("billion laughs"), and none of our files
needs them: they are refused, as are merge keys and deep nesting.
"""

from __future__ import annotations

from functools import cache
from typing import Any

MOST_DEPTH = 50  # levels of nesting; ours have five


def load_yaml(text: str | bytes) -> Any:
    """Return what `text` says. Raises yaml.YAMLError, with the place, also where it is refused."""
    import yaml

    return yaml.load(text, Loader=_loader())


def compose_yaml(text: str | bytes) -> Any:
    """Return the nodes of `text`, with their places. Raises as `load_yaml` does."""
    import yaml

    return yaml.compose(text, Loader=_loader())


@cache
def _loader() -> Any:
    import yaml
    from yaml.composer import ComposerError
    from yaml.events import AliasEvent

    class PlainLoader(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()
            if isinstance(event, AliasEvent):
                self._refuse(f"an alias (*{event.anchor}) is not taken: write its values out")
            if self.depth == MOST_DEPTH:
                self._refuse(f"it is nested more than {MOST_DEPTH} levels deep")
            self.depth += 1
            try:
                return super().compose_node(parent, index)
            finally:
                self.depth -= 1

        def flatten_mapping(self, node: Any) -> None:
            for key, _ in node.value:
                if key.tag == "tag:yaml.org,2002:merge":
                    raise ComposerError(
                        None, None, "a merge key (<<) is not taken: write its values out",
                        key.start_mark,
                    )  # fmt: skip

        def _refuse(self, why: str) -> None:
            mark = self.peek_event().start_mark
            raise ComposerError(None, None, why, mark)

    return PlainLoader
