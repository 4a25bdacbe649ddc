"""The catalogue of models: one row each, with its sizes, its traits and what was tested with it.

Light on purpose: no torch, no network. `find` knows the catalogue alone; `describe` also takes any
hub id, and any local folder whose config.json names the architecture of a known family.

Where the numbers come from: each model's own config.json, read in public copies of it (the
configurations shipped as resources of dotnet/machinelearning for Phi-3-mini and Phi-3-medium, and
verbatim copies in public tests for Phi-3.5-mini and Phi-4-mini); parameter counts are computed from
those shapes, and for Phi-3-mini agree with the published 3,821,079,552. No commit is recorded
here: `phi3scaffold model` resolves one and writes it to model.lock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from phi3scaffold.models.families import registry
from phi3scaffold.models.families.family import Family
from phi3scaffold.models.families.phi3 import PHI3
from phi3scaffold.models.model_config import HUB_ID, read_config
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json

DEFAULT = "microsoft/Phi-3-mini-4k-instruct"
GIB = 1024**3


@dataclass(frozen=True)
class Shape:
    """The sizes that decide memory and speed, under their config.json names.

    Attributes:
        partial_rotary: share of each head's dimensions that is rotated.
        original_context: positions the model was first trained for; longer contexts use longrope.
        tied: the output layer is the embedding.
    """

    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    context: int
    original_context: int
    partial_rotary: float = 1.0
    tied: bool = False

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads

    @property
    def rope_factors(self) -> int:
        """How many short and how many long factors longrope needs; 0 without longrope."""
        if self.context == self.original_context:
            return 0
        return int(self.head_dim * self.partial_rotary) // 2

    @property
    def parameters(self) -> int:
        attention = self.hidden * (2 * self.heads + 2 * self.kv_heads) * self.head_dim
        layer = attention + 3 * self.hidden * self.intermediate + 2 * self.hidden
        embeddings = self.vocab * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * layer + self.hidden

    @property
    def features(self) -> tuple[str, ...]:
        """What sets it apart from the plain architecture, in words for people."""
        found = []
        if self.rope_factors:
            found.append("longrope")
        if self.kv_heads < self.heads:
            found.append(f"grouped-query attention {self.heads}:{self.kv_heads}")
        if self.tied:
            found.append("tied embeddings")
        if self.partial_rotary < 1:
            found.append(f"partial rotary {self.partial_rotary:g}")
        return tuple(found)


@dataclass(frozen=True)
class CatalogueEntry:
    """One model.

    Attributes:
        name: short name, as in `--model`.
        hub_id: repository on the hub; None for tiny, and for a local folder.
        shape: its sizes; None of a model that nobody has looked at.
        stop_ids: ids that end a turn, as the model's own files say; for information only, the
            pipeline reads them from the model.
        system_turn: whether its chat template writes a system turn.
        tested: what was run here. `untested`: what was not.
        note: anything else a user should know before choosing it.
    """

    name: str
    hub_id: str | None
    shape: Shape | None
    stop_ids: tuple[int, ...] = ()
    licence: str = "MIT"
    system_turn: bool = True
    tested: str = (
        "LoRA, QLoRA, merge, int4 and token identity, with a two-layer random model of its features"
    )
    untested: str = "its real weights"
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
    def context(self) -> int | None:
        return self.shape.context if self.shape else None

    @property
    def features(self) -> tuple[str, ...]:
        return self.shape.features if self.shape else ()

    @property
    def notes(self) -> str:
        """The note, and what its chat template cannot do."""
        no_system = "its chat template drops system texts: leave them out of dataset.yaml"
        return "; ".join(filter(None, (self.note, "" if self.system_turn else no_system)))


def _tiny() -> CatalogueEntry:
    """Read from its own files, so that its numbers have one home."""
    config = tiny_folder() / "config.json"
    return CatalogueEntry(
        name="tiny",
        hub_id=None,
        shape=shape_of(read_json(config)) if config.is_file() else None,
        tested="the whole pipeline, with its own trained weights, in the test suite",
        untested="",
        note="a demonstration model that ships with the package: it learns, but knows little",
    )


def tiny_folder() -> Path:
    """Return where tiny's weights lie in the installed package."""
    return Path(__file__).resolve().parent / "tiny"


def shape_of(config: dict[str, Any]) -> Shape:
    """Return the shape that a config.json describes. Raises KeyError when a size is missing."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    context = int(config.get("max_position_embeddings", 4096))
    heads = int(config["num_attention_heads"])
    return Shape(
        vocab=int(config["vocab_size"]),
        hidden=int(config["hidden_size"]),
        intermediate=int(config["intermediate_size"]),
        layers=int(config["num_hidden_layers"]),
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        context=context,
        original_context=int(config.get("original_max_position_embeddings") or context),
        partial_rotary=float(
            config.get("partial_rotary_factor") or rope.get("partial_rotary_factor") or 1.0
        ),
        tied=bool(config.get("tie_word_embeddings", False)),
    )


MINI = Shape(
    vocab=32064,
    hidden=3072,
    intermediate=8192,
    layers=32,
    heads=32,
    kv_heads=32,
    context=4096,
    original_context=4096,
)
MEDIUM = replace(MINI, hidden=5120, intermediate=17920, layers=40, heads=40, kv_heads=10)
PHI4_MINI = replace(
    MINI, vocab=200064, heads=24, kv_heads=8, context=131072, partial_rotary=0.75, tied=True
)
LONG = 131072  # positions
STOPS = (32000, 32001, 32007)


def _row(name: str, repository: str, shape: Shape, **traits: Any) -> CatalogueEntry:
    return CatalogueEntry(name, f"microsoft/{repository}", shape, **{"stop_ids": STOPS, **traits})


ENTRIES: tuple[CatalogueEntry, ...] = (
    _tiny(),
    _row("phi-3-mini-4k", "Phi-3-mini-4k-instruct", MINI),
    _row("phi-3-mini-128k", "Phi-3-mini-128k-instruct", replace(MINI, context=LONG)),
    _row("phi-3.5-mini", "Phi-3.5-mini-instruct", replace(MINI, context=LONG)),
    _row("phi-4-mini", "Phi-4-mini-instruct", PHI4_MINI, stop_ids=(200020, 199999)),
    _row("phi-3-medium-4k", "Phi-3-medium-4k-instruct", MEDIUM, system_turn=False),
    _row(
        "phi-3-medium-128k",
        "Phi-3-medium-128k-instruct",
        replace(MEDIUM, context=LONG),
        system_turn=False,
    ),
)


def find(ref: str) -> CatalogueEntry | None:
    """Return the entry for a short name or a hub id (case does not matter), else None."""
    wanted = ref.strip().lower()
    for entry in ENTRIES:
        if wanted == entry.name or (entry.hub_id and wanted == entry.hub_id.lower()):
            return entry
    return None


def is_local(ref: str) -> bool:
    """Return whether a ref names a local folder: by its form (./ ../ / ~ C:\\), or it exists."""
    if find(ref) is not None:
        return False
    looks_local = ref.startswith((".", "/", "~", "\\")) or ref[1:3] in (":\\", ":/")
    return looks_local or Path(ref).expanduser().is_dir()


def describe(ref: str | Path) -> CatalogueEntry:
    """Return the entry for a ref: the catalogue's, or one made for a local folder or any hub id.

    Raises:
        ScaffoldError: a local folder whose model is of no known family, or a ref that is neither
            a name of the catalogue, nor a folder, nor of the form owner/name.
    """
    text = str(ref)
    known = find(text)
    if known is not None:
        return known
    if isinstance(ref, Path) or is_local(text):
        folder = Path(text).expanduser()
        config = read_config(folder)
        try:
            shape = shape_of(config)
        except (KeyError, TypeError, ValueError) as error:
            raise ScaffoldError(
                f"config.json lacks a size, or has a wrong one: {error}.",
                where=folder / "config.json",
                fix="copy the model's own config.json again",
            ) from None
        family = registry.family_of(config["architectures"]) or registry.DEFAULT
        return _unlisted(folder.name, None, shape, family=family)
    if not HUB_ID.fullmatch(text):
        names = ", ".join(entry.name for entry in ENTRIES)
        raise ScaffoldError(
            f"Unknown model {text!r}.",
            fix=f"one of {names}; a hub id such as {DEFAULT}; or a folder such as ./my-model",
        )
    note = f"its config must say {registry.architectures_text()}; checked after the download"
    return _unlisted(text.partition("/")[2], text, None, note=note)


def _unlisted(name: str, hub_id: str | None, shape: Shape | None, **traits: Any) -> CatalogueEntry:
    untested = "not in the catalogue: nothing about this model was tested"
    return CatalogueEntry(
        name, hub_id, shape, licence="unknown", tested="", untested=untested, **traits
    )


def family_for(ref: str) -> Family:
    """Return the family of a model: the default one where its config cannot be read yet."""
    try:
        return describe(ref).family
    except ScaffoldError:
        return registry.DEFAULT
