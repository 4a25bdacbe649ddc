"""The report's section on a search."""

from __future__ import annotations

import re

from phi3scaffold.evaluation.search_record import PointRecord, SearchRecord
from phi3scaffold.reporting.search_section import frontier, section


def point(name: str, megabytes: float, kl: float, rate: float) -> PointRecord:
    values = {"kl": kl, "tokens_per_second": rate, "agreement": 0.95, "perplexity_ratio": 1.01}
    return PointRecord(name, name, {}, round(megabytes * 1e6), rows=64, values=values)


def searched() -> SearchRecord:
    points = [
        point("rtn 32", 100, 0.3, 60.0),
        point("rtn 64", 93, 0.4, 70.0),
        point("gptq 32", 100, 0.2, 59.0),
        point("rtn 128", 95, 0.5, 80.0),
    ]
    points[3].ended = "others were better on 16 rows"
    failed = PointRecord("kquant", "kquant 16", {}, error="Olive's pass wrote <nothing>.")
    return SearchRecord(
        key="",
        limits={"kl": 0.25},
        rows=126,
        seconds=600.0,
        threads=2,
        winner="gptq 32",
        own="rtn 32",
        points=[*points, failed],
        not_tried={"blocks of 128": "they do not divide the width 576"},
    )


def test_the_front_holds_what_no_other_beats_in_both() -> None:
    front = frontier([one for one in searched().points if one.rows])
    assert [one.name for one in front] == ["rtn 64", "gptq 32"]


def test_every_point_has_a_line_with_what_became_of_it() -> None:
    shown = section(searched())
    results = {line[0]: line[-1] for line in shown["lines"]}
    assert results == {
        "gptq 32": "chosen",
        "rtn 32": "as it was",
        "rtn 64": "",
        "rtn 128": "others were better on 16 rows",
        "kquant 16": "Olive's pass wrote <nothing>.",
    }
    assert shown["not_tried"] == [("blocks of 128", "they do not divide the width 576")]
    assert "Chosen: gptq 32." in shown["text"] and "kl at most 0.25 nats" in shown["text"]


def test_the_picture_has_a_dot_for_each_measured_point_and_names_the_chosen_one() -> None:
    picture = str(section(searched())["picture"])
    assert picture.count("stroke-linecap: round") == 4
    assert "gptq 32" in re.sub(r"<desc>.*?</desc>", "", picture)
    for colour in ("--first", "--second", "--third"):
        assert f"var({colour})" in picture
    assert picture == str(section(searched())["picture"])


def test_one_point_has_no_picture() -> None:
    search = searched()
    search.points = search.points[:1]
    search.winner, search.missed = "", ["kl at most 0.25 nats: the nearest has 0.3 nats"]
    shown = section(search)
    assert shown["picture"] is None
    assert "None keeps them: kl at most" in shown["text"]
