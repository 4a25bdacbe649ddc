"""Tango's interval, against its definition and what is published of it."""

from __future__ import annotations

import math

import pytest

from phi3scaffold.datasets.paired_shares import Z, tango_interval, tango_score


@pytest.mark.parametrize("table", [(4, 2, 229), (12, 2, 50), (0, 3, 40), (7.5, 2.5, 90.5)])
def test_its_ends_are_where_the_statistic_is_at_its_limit(
    table: tuple[float, float, float],
) -> None:
    won, lost, rows = table
    low, high = tango_interval(won, lost, rows)
    assert low < (won - lost) / rows < high
    assert tango_score(won, lost, rows, high) == pytest.approx(-Z, abs=1e-6)
    assert tango_score(won, lost, rows, low) == pytest.approx(Z, abs=1e-6)


def test_two_net_errors_of_229_rows_do_not_tell_two_points() -> None:
    low, high = tango_interval(2, 0, 229)
    assert (round(100 * low, 1), round(100 * high, 1)) == (-0.8, 3.1)


def test_without_a_difference_it_is_as_wide_as_the_rows_are_few() -> None:
    """No row differs: z^2 / (n + z^2) on either side, as Tango gives it."""
    low, high = tango_interval(0, 0, 40)
    assert high == pytest.approx(Z**2 / (40 + Z**2), abs=1e-6) and low == pytest.approx(-high)


def test_all_rows_won_reach_the_end_of_the_scale() -> None:
    low, high = tango_interval(40, 0, 40)
    assert high == 1 and 0.8 < low < 0.9
    assert tango_interval(0, 40, 40) == (-1, pytest.approx(-low))
    assert not math.isnan(tango_score(40, 0, 40, 0.999))
