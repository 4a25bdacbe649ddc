"""The error that either the rows or dataset.yaml can mend; `new` has no dataset.yaml yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phi3scaffold.project.errors import ScaffoldError

YAML = "datasets/dataset.yaml"
NAME_COLUMNS = "or name other columns: --prompt COLUMN --answer COLUMN"


class DatasetError(ScaffoldError):
    """An error that names dataset.yaml among its remedies.

    Args:
        what: what is wrong, in one sentence.
        where: the place.
        fix: what to do about it in a project.
        at_new: what to do about it where `new` looks at the rows.
    """

    def __init__(
        self, what: str, *, where: str | Path | None = None, fix: str = "", at_new: str = ""
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self._at_new = at_new

    def before_project(self) -> ScaffoldError:
        """Return the error as it is said where there is no project yet."""
        return ScaffoldError(self.what, where=self.where, fix=self._at_new)


@contextmanager
def no_project_yet() -> Iterator[None]:
    """Let errors name no dataset.yaml: there is none while `new` looks at the rows."""
    try:
        yield
    except DatasetError as error:
        raise error.before_project() from None
