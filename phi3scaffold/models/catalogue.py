"""The catalogue of models, and what may stand beside it: any hub id, any local folder.

Light on purpose: no torch, no network. `find` knows the catalogue alone; `describe` also takes any
hub id, and any local folder whose config.json names the architecture of a known family.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from phi3scaffold.models.catalogue_entry import CatalogueEntry, tiny_folder
from phi3scaffold.models.entries import ENTRIES
from phi3scaffold.models.families import registry
from phi3scaffold.models.families.family import Family
from phi3scaffold.models.licences import UNKNOWN
from phi3scaffold.models.model_config import CONFIG, HUB_ID, read_config
from phi3scaffold.models.shape import Shape, shape_of
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import try_json
from phi3scaffold.project.near_names import near_names

__all__ = ["DEFAULT", "ENTRIES", "CatalogueEntry", "describe", "family_for", "find", "is_local",
           "shape_of",
           "tiny_folder"]  # fmt: skip

DEFAULT = "microsoft/Phi-3-mini-4k-instruct"


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
        family = registry.family_of(config["architectures"]) or registry.DEFAULT
        try:
            shape = shape_of(config)
        except (KeyError, TypeError, ValueError) as error:
            raise ScaffoldError(
                f"config.json lacks a size, or has a wrong one: {error}.",
                where=folder / "config.json",
                fix="copy the model's own config.json again",
            ) from None
        return _unlisted(folder.name, None, shape, family=family)
    if not HUB_ID.fullmatch(text):
        near = near_names(text, [entry.name for entry in ENTRIES], most=3)
        raise ScaffoldError(
            f"Unknown model {text!r}.",
            fix=(f"did you mean {' or '.join(near)}? " if near else "")
            + f"`phi3scaffold models` lists names; a hub id looks like {DEFAULT}, a folder like "
            "./my-model",
        )
    cached = _cached_config(text)
    if cached is not None:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            shape = shape_of(cached)
            family = registry.family_of(cached["architectures"]) or registry.DEFAULT
            return _unlisted(text.partition("/")[2], text, shape, family=family)
    family = registry.family_named(text) or registry.DEFAULT
    return _unlisted(text.partition("/")[2], text, None, family=family)


def _cached_config(repo: str) -> dict[str, Any] | None:
    """Return a model's config.json from the hub's cache of this machine; None where it is not."""
    from phi3scaffold.models.model_hub import cached_file

    path = cached_file(repo, CONFIG)
    return try_json(path) if path else None


def _unlisted(name: str, hub_id: str | None, shape: Shape | None, **traits: Any) -> CatalogueEntry:
    note = "not in the catalogue: its architecture has to be one of "
    note += ", ".join(family.architecture for family in registry.FAMILIES)
    return CatalogueEntry(name, hub_id, shape, licence=UNKNOWN, note=note, **traits)


def family_for(ref: str) -> Family:
    """Return the family of a model: by its config, else by its name, else the default one."""
    try:
        return describe(ref).family
    except ScaffoldError:
        return registry.DEFAULT


def family_at(folder: Path) -> Family | None:
    """Return the family that a model folder's config.json names; None where it names none."""
    found = try_json(folder / CONFIG).get("architectures")
    return registry.family_of(found) if isinstance(found, list) else None


def shape_at(folder: Path) -> Shape | None:
    """Return the sizes in a model folder's config.json; None where it is not here, or lacks one."""
    try:
        return shape_of(try_json(folder / CONFIG))
    except (KeyError, TypeError, ValueError):
        return None
