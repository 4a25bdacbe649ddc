"""Events go through JSON whole, and logs of earlier versions are read."""

import json

import pytest

from phi3scaffold.pipeline.events import (
    Bytes,
    Event,
    Failure,
    Note,
    StageEnded,
    StageStarted,
    Step,
    from_json,
    to_json,
)
from phi3scaffold.project.errors import ScaffoldError

EVENTS = [
    StageStarted("data", "reading the rows", 3.5),
    StageEnded("data", {"train": 3}, 1.5, 2**20),
    StageEnded("model"),
    Step(3, 10, loss=0.5, loss_step=2, tokens_per_second=12.5),
    Step(500, 1000, phase="reading"),
    Step(4, 9, loss=0.5, learning_rate=1e-4, validation_loss=0.7, validation_step=4, peak_bytes=9),
    Bytes("model.safetensors", 3, 10),
    Note("azure", "job j: Running"),
]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_goes_through_json(event: Event) -> None:
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


def test_a_failure_goes_through_json() -> None:
    error = ScaffoldError("It broke.", where="rows.csv:3", fix="mend it", exit_code=1)
    event = from_json(json.loads(json.dumps(to_json(Failure(error, lost=True)))))
    assert isinstance(event, Failure) and event.lost
    assert (str(event.error), event.error.exit_code) == (str(error), 1)


def test_the_state_of_a_stage_is_in_its_json() -> None:
    assert [to_json(event)["state"] for event in EVENTS[:3]] == ["start", "done", "fresh"]


def test_a_log_of_an_earlier_version_is_read() -> None:
    done = {"kind": "stage", "stage": "data", "state": "done", "seconds": 1.5, "facts": {}}
    assert from_json({**done, "unknown": 1}) == StageEnded("data", {}, 1.5)
    step = {"kind": "step", "step": 3, "of": 1000, "told": "reading"}
    assert from_json(step) == Step(3, 1000, phase="reading")
    error = {"what": "It broke.", "where": None, "fix": None, "exit_code": 2}
    assert isinstance(from_json({"kind": "error", "error": error}), Failure)


@pytest.mark.parametrize("values", [{}, {"kind": "later"}, {"kind": "step"}, {"kind": "error"}])
def test_what_is_no_event_is_none(values: dict) -> None:
    assert from_json(values) is None
