"""A few rounds of each subject of `make stress`, which does many."""

from __future__ import annotations

import os

import pytest

from tests.stress import power_loss


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the power is cut in a forked process")
def test_power_loss_leaves_the_old_state_or_the_new() -> None:
    row = power_loss.run(12)
    assert row.failures == []
    assert len(row.outcomes) == 2, row
