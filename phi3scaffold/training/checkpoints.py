"""Whole states of a training, so that one that was killed goes on.

A checkpoint is the adapter, the optimizer's and the schedule's state, the Trainer's, and each
rank's random numbers. The Trainer writes it into scratch; then rank 0 copies it to where it
outlives the process, its manifest last: that place may be a mount, which cannot rename. One without
a manifest, or whose files are not what that says, is half written or broken, and never taken.

Nothing in it can run code: weights are safetensors, and torch reads the rest as weights only.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from phi3scaffold.pipeline import atomic_publish, manifest, ranks
from phi3scaffold.pipeline.hashing import StatCache

KEEP = 2  # the newest; the one before the last is for when the last is broken
# What resuming reads. The Trainer also writes a pickle of its arguments, which nobody needs.
FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "scaler.pt",
    "trainer_state.json",
    "rng_state*.pth",
)


@dataclass(frozen=True)
class ResumePoint:
    """Where a training goes on: a folder that the Trainer reads, the steps and seconds so far."""

    folder: Path
    step: int
    seconds: float


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training by one number of processes.

    Attributes:
        folder: where they outlive the process; it may not exist yet.
        fingerprint: of what is trained; a checkpoint of anything else is not taken.
        minutes: a checkpoint is due after so many; None for none but the config's own.
    """

    folder: Path
    fingerprint: str
    minutes: float | None

    def take(self, scratch: Path) -> ResumePoint | None:
        """The newest whole one, in a folder below `scratch`; every rank gets rank 0's."""
        found = self._newest() if ranks.here().number == 0 else None
        said = found and (found[1].facts, {name: _read(found[0], name) for name in found[1].files})
        if ranks.here().size > 1:
            box = [said]
            torch.distributed.broadcast_object_list(box)
            said = box[0]
        if not said:
            return None
        facts, files = said
        place = scratch / f"{transformers.trainer_utils.PREFIX_CHECKPOINT_DIR}-{facts['step']}"
        place.mkdir(parents=True)
        for name, content in files.items():
            (place / name).write_bytes(content)
        return ResumePoint(place, facts["step"], facts["seconds"])

    def keep(self, made: Path, step: int, seconds: float) -> None:
        """Copy one that the Trainer has made; remove all but the newest. For rank 0."""
        for path in made.iterdir():
            if not any(path.match(pattern) for pattern in FILES):
                path.unlink()
        cache = StatCache(made / "none")
        files = manifest.list_files(made, cache)
        about = manifest.Manifest(
            stage="checkpoint",
            fingerprint=self.fingerprint,
            inputs={},
            versions={},
            files=files,
            facts={"step": step, "seconds": seconds},
        )
        manifest.write(made, about)
        atomic_publish.copy_whole(made, self.folder / f"step-{step}")
        for old in self._steps()[KEEP:]:
            shutil.rmtree(old, ignore_errors=True)

    def _newest(self) -> tuple[Path, manifest.Manifest] | None:
        for folder in self._steps():
            made = manifest.read(folder)
            cache = StatCache(folder / "none")
            if made is None or made.fingerprint != self.fingerprint:
                continue
            if manifest.first_difference(folder, made, cache) is None:
                return folder, made
        return None

    def _steps(self) -> list[Path]:
        """Their folders, the newest first."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if path.name[5:].isdecimal()]
        return sorted(found, key=lambda path: -int(path.name[5:]))


def _read(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


class SaveCheckpoints(transformers.TrainerCallback):
    """Has the Trainer save when a checkpoint is due by rank 0's clock, and keeps what it saves.

    Args:
        checkpoints: where they go.
        before: seconds that were trained before this process.
        decided_by_rank_0: from what a rank thinks, what rank 0 thinks.
    """

    def __init__(
        self, checkpoints: Checkpoints, before: float, decided_by_rank_0: Callable[[bool], bool]
    ) -> None:
        self.checkpoints, self.decided_by_rank_0 = checkpoints, decided_by_rank_0
        self.began = time.monotonic() - before
        self.saved = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.saved = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not float(state.epoch).is_integer():
            self.save_when_due(state, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.save_when_due(state, control)  # after the held-out loss, which then is in it

    def save_when_due(self, state: Any, control: Any) -> None:
        minutes = self.checkpoints.minutes
        if minutes is None or state.global_step >= state.max_steps:
            return
        if self.decided_by_rank_0(time.monotonic() - self.saved >= 60 * minutes):
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        name = f"{transformers.trainer_utils.PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        made = Path(args.output_dir) / name
        if ranks.here().size > 1:
            own = f"rng_state_{ranks.here().number}.pth"
            every: list[Any] = [None] * ranks.here().size
            torch.distributed.all_gather_object(every, (own, _read(made, own)))
            for name, content in every:
                (made / name).write_bytes(content)
        if ranks.here().number == 0:
            self.checkpoints.keep(made, state.global_step, time.monotonic() - self.began)
        if not args.load_best_model_at_end:  # it comes back to one of them
            shutil.rmtree(made)
        self.saved = time.monotonic()


def decided_by_rank_0(trainer: transformers.Trainer) -> Callable[[bool], bool]:
    """What rank 0 says, for every rank; without others, what is said."""
    if trainer.accelerator.num_processes == 1:
        return bool

    def ask(mine: bool) -> bool:
        said = torch.tensor([float(mine)], device=trainer.args.device)
        torch.distributed.broadcast(said, 0)
        return bool(said.item())

    return ask
