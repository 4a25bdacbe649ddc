"""What the catalogue says of one model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from phi3scaffold.models.families.family import Family
from phi3scaffold.models.families.phi3 import PHI3
from phi3scaffold.models.licences import MIT, Licence
from phi3scaffold.models.shape import Shape, shape_of
from phi3scaffold.project.files import read_json

GIB = 1024**3
MECHANICS = (
    "LoRA, QLoRA, merge, int4 and token identity, on a two-layer random model with its features"
)


@dataclass(frozen=True)
class CatalogueEntry:
    """One model.

    Attributes:
        name: short name, as in `--model`.
        hub_id: repository on the hub; None for tiny, and for a local folder.
        shape: its sizes; None of a model that nobody has looked at.
        stop_ids: ids that end a turn, as the model's own files say; for information only, the
            pipeline reads them from the model.
        licence: of its weights.
        gated: whether the hub gives it only to people who have accepted its licence there.
        system_turn: whether its chat template writes a system turn.
        weights_run: whether its real weights go through the whole pipeline in the test suite.
        mechanics_run: whether a small random model of its features goes through its passes there.
        like: the entry that has the same features, and whose mechanics are run; "" where none is.
        note: anything else a user should know before choosing it.
    """

    name: str
    hub_id: str | None
    shape: Shape | None
    stop_ids: tuple[int, ...] = ()
    licence: Licence = MIT
    gated: bool = False
    system_turn: bool = True
    weights_run: bool = False
    mechanics_run: bool = False
    like: str = ""
    note: str = ""
    family: Family = PHI3

    @property
    def ref(self) -> str:
        """What to write in project.yaml's model.id."""
        return self.hub_id or self.name

    @property
    def target_modules(self) -> tuple[str, ...]:
        return self.family.target_modules

    @property
    def parameters(self) -> int | None:
        return self.shape.parameters if self.shape else None

    @property
    def weights_gb(self) -> float | None:
        """Size of the weights in bfloat16, in GiB."""
        return self.shape.parameters * 2 / GIB if self.shape else None

    @property
    def download(self) -> int:
        """Bytes that come over the network, in 16 bits; 0 where that is unknown, or nothing."""
        return self.shape.parameters * 2 if self.shape and self.hub_id else 0

    @property
    def context(self) -> int | None:
        return self.shape.context if self.shape else None

    @property
    def features(self) -> tuple[str, ...]:
        own = self.shape.features if self.shape else ()
        return (*own, *self.family.layers)

    @property
    def tested(self) -> str:
        """What was run here; "" where nothing was."""
        if self.weights_run:
            return "the whole pipeline, with its real weights, in the test suite"
        return MECHANICS if self.has_mechanics else ""

    @property
    def untested(self) -> str:
        """What was not."""
        if self.weights_run:
            return ""
        return "its real weights" if self.has_mechanics else "this model"

    @property
    def has_mechanics(self) -> bool:
        """Whether a random model of its features goes through its passes in the test suite."""
        return self.mechanics_run or bool(self.like)

    @property
    def page(self) -> str:
        """Where its terms can be accepted."""
        return f"https://huggingface.co/{self.hub_id}" if self.hub_id else ""

    @property
    def access(self) -> str:
        """How to get a gated model, as a sentence; "" of an open one."""
        if not self.gated:
            return ""
        return (
            f"{self.hub_id} is gated: accept its licence ({self.licence.title}) at {self.page}, "
            "and set HF_TOKEN to a token of that account before the download"
        )

    @property
    def notes(self) -> str:
        """The note, and what its chat template cannot do."""
        no_system = "its chat template drops system texts: leave them out of dataset.yaml"
        return "; ".join(filter(None, (self.note, "" if self.system_turn else no_system)))


def tiny() -> CatalogueEntry:
    """Return the entry of tiny: read from its own files, so that its numbers have one home."""
    config = tiny_folder() / "config.json"
    return CatalogueEntry(
        name="tiny",
        hub_id=None,
        shape=shape_of(read_json(config)) if config.is_file() else None,
        weights_run=True,
        note="a demonstration model that ships with the package: it learns, but knows little",
    )


def tiny_folder() -> Path:
    """Return where tiny's weights lie in the installed package."""
    return Path(__file__).resolve().parent / "tiny"
