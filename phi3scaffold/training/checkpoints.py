"""Checkpoints: whole states of a training, so that an interrupted one can resume.

The Trainer writes one into scratch; then rank 0 copies it to where it outlives the process, its
manifest last: that place may be a mount, which cannot rename. One that is not as its manifest says
is never used. Nothing in it can run code: torch reads all but the safetensors as weights only.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from phi3scaffold.pipeline import atomic_publish, manifest, ranks
from phi3scaffold.pipeline.hashing import StatCache
from phi3scaffold.pipeline.interruption import stop_request

BEST = "best.safetensors"  # the adapter's weights at its best step so far
NEWEST = 2  # that stay; the one before the last is for when the last is damaged
# What resuming reads. The Trainer also writes a pickle of its arguments, which nobody needs.
FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    BEST,
    "optimizer.pt",
    "scheduler.pt",
    "scaler.pt",
    "trainer_state.json",
    "rng_state*.pth",
)


@dataclass(frozen=True)
class ResumePoint:
    """Where a training resumes: a folder that the Trainer reads, the steps and seconds so far."""

    folder: Path
    step: int
    seconds: float


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training by one number of processes.

    Attributes:
        folder: where they outlive the process; it may not exist yet.
        fingerprint: of what is trained; a checkpoint of anything else is not used.
        minutes: between two checkpoints; None: only those of the config.
    """

    folder: Path
    fingerprint: str
    minutes: float | None

    def restore(self, scratch: Path) -> ResumePoint | None:
        """Write the newest whole one into a folder below `scratch`; every rank gets rank 0's."""
        newest = self._newest() if ranks.here().number == 0 else None
        content = None
        if newest:
            folder, record = newest
            content = (record.facts, {name: (folder / name).read_bytes() for name in record.files})
        if ranks.here().size > 1:
            box = [content]
            torch.distributed.broadcast_object_list(box)
            content = box[0]
        if not content:
            return None
        facts, files = content
        place = scratch / f"{transformers.trainer_utils.PREFIX_CHECKPOINT_DIR}-{facts['step']}"
        place.mkdir(parents=True)
        for name, data in files.items():
            (place / name).write_bytes(data)
        return ResumePoint(place, facts["step"], facts["seconds"])

    def save(self, source: Path, step: int, seconds: float) -> None:
        """Copy one that the Trainer has made; remove all but the newest. For rank 0."""
        for path in source.iterdir():
            if not any(path.match(pattern) for pattern in FILES):
                path.unlink()
        cache = StatCache(source / "none")
        files = manifest.list_files(source, cache)
        record = manifest.Manifest(
            stage="checkpoint",
            fingerprint=self.fingerprint,
            inputs={},
            versions={},
            files=files,
            facts={"step": step, "seconds": seconds},
        )
        manifest.write(source, record)
        atomic_publish.copy_whole(source, self.folder / f"step-{step}")
        for old in self._steps()[NEWEST:]:
            shutil.rmtree(old, ignore_errors=True)

    def _newest(self) -> tuple[Path, manifest.Manifest] | None:
        for folder in self._steps():
            record = manifest.read(folder)
            cache = StatCache(folder / "none")
            if record is None or record.fingerprint != self.fingerprint:
                continue
            if manifest.first_difference(folder, record, cache) is None:
                return folder, record
        return None

    def _steps(self) -> list[Path]:
        """Return the folders of all checkpoints, the newest first."""
        if not self.folder.is_dir():
            return []
        folders = [path for path in self.folder.iterdir() if path.name[5:].isdecimal()]
        return sorted(folders, key=lambda path: -int(path.name[5:]))


class SaveCheckpoints(transformers.TrainerCallback):
    """Has the Trainer save when a checkpoint is due by rank 0's clock, and copies what it saves.

    One is due, too, when this process is asked to stop: it does so once that is saved.
    """

    def __init__(self, checkpoints: Checkpoints, seconds_before: float) -> None:
        self.checkpoints = checkpoints
        self.start = time.monotonic() - seconds_before
        self.saved = time.monotonic()
        self.stops = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.saved = time.monotonic()
        stop_request.saves_first = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if control.should_training_stop or not float(state.epoch).is_integer():
            self._save_when_due(args, state, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._save_when_due(args, state, control)  # after the validation loss, to include it

    def _save_when_due(self, args: Any, state: Any, control: Any) -> None:
        """Ask the Trainer to save where a checkpoint is due, as rank 0 decides for all."""
        if control.should_training_stop:
            control.should_save = False  # nothing would resume from here
            return
        minutes = self.checkpoints.minutes
        due = minutes is not None and time.monotonic() - self.saved >= 60 * minutes
        self.stops = stop_request.is_made
        if ranks.here().size > 1:
            decision = torch.tensor([float(due), float(self.stops)], device=args.device)
            torch.distributed.broadcast(decision, 0)
            due, self.stops = map(bool, decision.tolist())
        control.should_save |= due or self.stops

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        name = f"{transformers.trainer_utils.PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        saved = Path(args.output_dir) / name
        if ranks.here().size > 1:
            own = f"rng_state_{ranks.here().number}.pth"
            every: list[Any] = [None] * ranks.here().size
            torch.distributed.all_gather_object(every, (own, (saved / own).read_bytes()))
            for name, content in every:
                (saved / name).write_bytes(content)
        if ranks.here().number == 0:
            self.checkpoints.save(saved, state.global_step, time.monotonic() - self.start)
        shutil.rmtree(saved)
        self.saved = time.monotonic()
        if self.stops:
            stop_request.is_made = True  # by rank 0's parent
            stop_request.obey(f"step {state.global_step} of {state.max_steps}, which is saved")
