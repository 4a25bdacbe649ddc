"""More processes than the machine has room for are refused before any is started."""

from __future__ import annotations

import pytest

from phi3scaffold.pipeline import launch, machine
from phi3scaffold.project.errors import ScaffoldError

GIB = 1 << 30


@pytest.fixture(autouse=True)
def four_processors_and_eight_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(machine, "memory", lambda: (8 * GIB, GIB, 0))


@pytest.mark.parametrize(
    ("count", "memory", "why", "fits"),
    [
        (999, GIB, "more than this machine has processors: 4", 4),
        (5, GIB, "more than this machine has processors: 4", 4),
        (4, 3 * GIB, "each process takes about 3.0 GiB, and there are 8.0 GiB in all", 2),
        (2, 9 * GIB, "does not fit in memory", 1),
    ],
)
def test_the_message_has_the_number_that_fits(count: int, memory: int, why: str, fits: int) -> None:
    with pytest.raises(ScaffoldError) as refused:
        launch.check_count(count, on_gpus=False, memory=memory)
    assert why in str(refused.value)
    assert refused.value.fix == f"--nproc {fits}"


def test_what_fits_is_taken() -> None:
    launch.check_count(4, on_gpus=False, memory=2 * GIB)
