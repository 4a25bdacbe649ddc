"""Search the quantization of a trained model: build points, measure them, choose one.

First points are measured on few rows, the most promising first, until no other one promises enough
or most of the time is over; then the better half on more, and the better half of these on all
(successive halving). What was measured is on the disk at once: a search that was killed goes on.
"""

from __future__ import annotations

import math
import platform
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from phi3scaffold.evaluation.limits import LIMITS, project_limits
from phi3scaffold.evaluation.search_record import FILE, PointRecord, SearchRecord, read_search
from phi3scaffold.models.shape import shape_of
from phi3scaffold.pipeline import manifest
from phi3scaffold.pipeline.environment import physical_cores
from phi3scaffold.pipeline.events import Emit, Event, Note, Step, ignore
from phi3scaffold.pipeline.hashing import digest
from phi3scaffold.pipeline.stage import versions
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json, write_json
from phi3scaffold.project.formatting import count, decimal_size, duration
from phi3scaffold.project.olive_config import OliveConfig, project_config
from phi3scaffold.project.search_goals import FASTEST
from phi3scaffold.project.settings import Project
from phi3scaffold.search.builder import Builder
from phi3scaffold.search.measuring import Ruler
from phi3scaffold.search.points import (
    Point,
    all_points,
    own_passes,
    own_point,
    with_point,
)
from phi3scaffold.search.prediction import LEAST, SIZE_SPREAD, Prediction
from phi3scaffold.search.selection import SEARCHED, TIMED, choose, missed_lines, ranked
from phi3scaffold.stages import export

FEW, MORE = 16, 64  # rows, before all
EXPLORING = 0.6  # share of the time
FINALISTS = 3  # that are timed
ROUNDS = 3  # of timing, where the speed decides
WORTH = 0.01  # a share by which a point has to be better, as far as one can expect
OVERHEAD = 6.0  # seconds that a point takes besides quantizing
NAME = "optimize"


class Optimizer:
    """One search, under the project's lock.

    Args:
        project: its stages up to the merge are up to date.
        goal: one of `GOALS`.
        seconds: how long the search may take, with what a killed one took.
        most: points that may be tried; None for as many as there is time for.
        emit: takes progress events.

    Attributes:
        record: of this search.
        finished: the record of the same search, where that has come to its end.
    """

    def __init__(
        self, project: Project, goal: str, seconds: float, emit: Emit, most: int | None = None
    ) -> None:
        self._project, self._emit, self._most = project, emit, most
        self._config = project_config(project)
        self._shape = shape_of(read_json(project.merged / "config.json"))
        points, left_out = all_points(self._config, self._shape)
        self._points: dict[str, Point | None] = {}  # by key
        self._configs: dict[str, OliveConfig] = {}
        contents = [_content(folder) for folder in (project.adapter, project.merged, project.rows)]
        self._base = digest([contents, versions(export.STAGE.packages)])
        own = self._add(own_point(self._config, points), self._config)
        for point in points:
            self._add(point, with_point(self._config, point))
        limits = search_limits(project)
        key = digest([self._base, goal, limits])
        self._ruler = Ruler(project, project.search, self._base)
        self._began = time.monotonic()
        last = read_search(project.search)
        self.record = SearchRecord(
            key=key,
            adapter=contents[0],
            goal=goal,
            limits=limits,
            rows=self._ruler.rows,
            budget_seconds=seconds,
            threads=physical_cores(),
            machine=f"{platform.system()} {platform.machine()}",
            own=own,
            not_tried=left_out,
        )
        self.finished = last if last and last.key == key and last.finished else None
        self._spent = 0.0  # by the killed one
        if last is not None:
            going_on = last.key == key and not last.finished
            self._spent = last.seconds if going_on else 0.0
            known = [one for one in last.points if one.key in self._points]
            self.record.points = [one for one in known if going_on or not one.error]
        self._builder: Builder | None = None

    def run(self) -> SearchRecord:
        """Search, and return what came of it."""
        folder = self._project.search
        folder.mkdir(parents=True, exist_ok=True)
        for point in self.record.points:
            point.ended = ""
        for old in (folder / "built").glob("*"):  # of a search for another adapter
            if old.name not in self._points:
                shutil.rmtree(old)
        self._save()
        with Builder(self._project, folder / "scratch") as self._builder:
            self._ruler.measure_adapter(self._watch("the adapter"))
            left_out, tried = dict(self.record.not_tried), -1
            # all rows may refuse what few rows promised; then there may be others, and time
            while not self.record.winner and len(self.record.points) > tried:
                tried = len(self.record.points)
                self.record.not_tried, self.record.missed = dict(left_out), []
                self._round()
        record = self.record
        record.finished = True
        self._save()
        shutil.rmtree(folder / "built", ignore_errors=True)
        return record

    def _round(self) -> None:
        """Explore, measure the better ones on more rows, and choose."""
        self._explore()
        all_rows = self._ruler.rows
        if all_rows > 2 * MORE:
            self._halve(MORE)
        if all_rows > FEW:
            self._halve(all_rows)
        self._finals()

    def _add(self, point: Point | None, config: OliveConfig) -> str:
        key = digest([self._base, config.settings_for("export")])[:16]
        self._points.setdefault(key, point)
        self._configs.setdefault(key, config)
        return key

    def _explore(self) -> None:
        """Measure points on few rows, those that promise most for their time first."""
        untried = [one for one in self._points if self.record.point(one) is None]
        if self.record.own in untried:
            untried.remove(self.record.own)
            self._measure(self.record.own, FEW)
        while untried:
            key, why = self._next(untried)
            if self._most is not None and len(self.record.points) >= self._most:
                why = f"--points {self._most}; next would have been {self._name(key)}"
            elif self._used() > EXPLORING * self.record.budget_seconds:
                why = f"the time was over; next would have been {self._name(key)}"
            if why:
                self.record.not_tried[count(len(untried), "more point")] = why
                return
            untried.remove(key)
            needed, left = self._expected(key), self.record.budget_seconds - self._used()
            if needed > left:
                text = f"it takes about {duration(needed)}; {duration(left)} were left"
                self.record.not_tried[self._name(key)] = text
                continue
            self._measure(key, FEW)

    def _next(self, untried: Sequence[str]) -> tuple[str, str]:
        """Return the point to try next, and why that is not worth it: "" where it is."""
        record = self.record
        known = [one for one in self._ranked() if self._points[one.key] is not None]
        pairs = [(self._point(one.key), one) for one in known]
        prediction = Prediction(self._shape, record.limits, record.goal, pairs)
        best = choose(self._ranked(), record.limits, record.goal)
        fitting = [one for one in untried if not prediction.misses_size(self._point(one))]
        if not fitting:
            size = {one: prediction.bytes(self._point(one)) for one in untried}
            key = min(untried, key=lambda one: size[one])
            least = min((one.bytes for one in known), default=math.inf)
            worth = best is None and size[key] < least * (1 - SIZE_SPREAD)
            return key, "" if worth else f"too large: {decimal_size(round(size[key]))} or more"
        chance = {one: prediction.log_chance(self._point(one)) for one in fitting}
        if best is not None:
            near = self._points[best.key]
            for one in fitting:
                gain = prediction.gain(self._point(one), near, best)
                chance[one] += math.log(max(gain, LEAST))
        key = max(fitting, key=lambda one: chance[one] - math.log(self._expected(one)))
        if max(chance.values()) > math.log(WORTH):
            return key, ""
        return key, "a better one is unlikely" if best else "none is likely to keep the limits"

    def _point(self, key: str) -> Point:
        return self._points[key] or Point()

    def _halve(self, rows: int) -> None:
        """Measure the better half on more rows, and end the others."""
        going = [one for one in self._ranked() if not one.ended]
        kept = max(FINALISTS, math.ceil(len(going) / 2))
        for point in going[kept:]:
            point.ended = f"others were better on {count(point.rows, 'row')}"
            self._drop(point.key)
        for place, point in enumerate(going[:kept]):
            if point.rows < rows:
                if place and self._used() > self.record.budget_seconds:  # the best has to be known
                    point.ended = "the time was over"
                    continue
                self._measure(point.key, rows)

    def _finals(self) -> None:
        """Time the best points, and choose; where none keeps the limits, try those behind."""
        record, all_rows = self.record, self._ruler.rows
        whole = [one for one in self._ranked() if one.rows == all_rows]
        by_speed = record.goal == FASTEST or any(name in record.limits for name in TIMED)
        timed = [one for one in whole[:FINALISTS] if not self._is_too_large(one)]
        built = [(one, self._built(one.key)) for one in timed]
        self._ruler.time(
            [(one, folder) for one, folder in built if folder],
            ROUNDS if by_speed else 1,
            self._watch("timing the best"),
        )
        winner = choose(timed if by_speed else whole, record.limits, record.goal)
        if winner is None:
            for point in self._ranked():
                if self._used() > record.budget_seconds:
                    break
                if point.rows < all_rows and not self._is_too_large(point):
                    self._measure(point.key, all_rows)
                winner = winner or choose([point], record.limits, record.goal)
        if winner is None:
            whole = [one for one in self._ranked() if one.rows == all_rows]
            record.missed = missed_lines(whole or self._ranked(), record.limits)
        record.winner = winner.key if winner else ""

    def _is_too_large(self, point: PointRecord) -> bool:
        return point.bytes > 1e6 * self.record.limits.get("size_mb", math.inf)

    def _measure(self, key: str, rows: int) -> None:
        """Build a point where its model is not there, and measure it."""
        record = self.record
        point = record.point(key)
        if point is None:
            passes = own_passes(self._configs[key])
            point = PointRecord(key, self._name(key), passes)
            record.points.append(point)
        try:
            folder = self._built(key)
            if folder:
                point.ended = ""
                self._ruler.measure(point, folder, rows, self._watch(point.name))
                self._emit(Note(NAME, _line(point)))
        except ScaffoldError as error:
            point.error = error.what
            self._drop(key)
            self._emit(Note(NAME, f"{point.name}: {error.what}"))
        self._save()

    def _built(self, key: str) -> Path | None:
        """Return the folder of a point's model; build it where it is not there."""
        point, folder = self.record.point(key), self._project.search / "built" / key
        assert point is not None and self._builder is not None
        if not folder.is_dir():
            self._make_room(key)
            self._watch(f"{point.name}: building")(Step(0, 1))
            message = self._builder.build(self._configs[key], folder)
            point.build_seconds = round(message["seconds"], 1)
            point.bytes = int(message["facts"]["bytes"])
        return folder

    def _make_room(self, key: str) -> None:
        """Delete the models of the worst points where the disk is getting full."""
        size = max((one.bytes for one in self.record.points), default=0) or self._project.base_bytes
        for point in reversed(self._ranked()):
            if shutil.disk_usage(self._project.gen).free > 4 * size:
                return
            if point.key != key:
                self._drop(point.key)

    def _drop(self, key: str) -> None:
        shutil.rmtree(self._project.search / "built" / key, ignore_errors=True)

    def _expected(self, key: str) -> float:
        """Return about how many seconds a point takes, by those of its quantizer so far."""
        quantizer = (self._points[key] or Point()).quantizer
        seen = [
            one.build_seconds
            for one in self.record.points
            if one.build_seconds and (self._points[one.key] or Point()).quantizer == quantizer
        ]
        if seen:
            return max(seen) + OVERHEAD
        rate = export.SECONDS_PER_GB.get(quantizer, export.ROUNDED)
        return rate * self._project.base_bytes / 1e9 + OVERHEAD

    def _ranked(self) -> list[PointRecord]:
        return ranked(self.record.points, self.record.limits, self.record.goal)

    def _name(self, key: str) -> str:
        point = self._points[key]
        return point.name if point else "the project's own passes"

    def _used(self) -> float:
        return self._spent + time.monotonic() - self._began

    def _save(self) -> None:
        self.record.seconds = round(self._used(), 1)
        write_json(self._project.search / FILE, self.record.to_json())

    def _watch(self, text: str) -> Emit:
        """Return a sink for a measurement's events that shows how much of the time is used."""

        def emit(event: Event) -> None:
            if isinstance(event, Step):
                whole = max(1, round(self.record.budget_seconds))
                self._emit(Step(min(whole, round(self._used())), whole, phase=text))
            else:
                ignore(event)

        return emit


def search_limits(project: Project) -> dict[str, float]:
    """Return the limits that a search has to keep, defaults among them."""
    own = project_limits(project)
    limits = {name: own.get(name, LIMITS[name].default) for name in SEARCHED}
    return {name: value for name, value in limits.items() if value is not None}


def _content(folder: Path) -> str:
    published = manifest.read(folder)
    return published.content if published else ""


def _line(point: PointRecord) -> str:
    """Return what was measured of a point in a line."""
    kl, rate = point.values.get("kl", math.nan), point.values.get("tokens_per_second", math.nan)
    return (
        f"{point.name}: {decimal_size(point.bytes)}, KL {kl:.4g}, {rate:.0f} tokens/s "
        f"({count(point.rows, 'row')})"
    )
