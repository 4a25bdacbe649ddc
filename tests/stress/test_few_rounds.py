"""A few rounds of each subject of `make stress`, which does many."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.stress import damaged_files, kills, power_loss


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the power is cut in a forked process")
def test_power_loss_leaves_the_old_state_or_the_new() -> None:
    row = power_loss.run(12)
    assert row.failures == []
    assert len(row.outcomes) == 2, row


def test_a_kill_leaves_the_old_state_or_the_new() -> None:
    assert kills.run(6).failures == []


def test_damaged_files_are_told(tiny_project: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(tiny_project, tmp_path / "proj", symlinks=True))
    assert damaged_files.run_on(root, 6).failures == []
