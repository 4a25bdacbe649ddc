"""A base model's folder: whether it can be used, and how its files are taken over.

Only data is taken: safetensors, JSON, the chat template, the tokenizer, the licence. Python files
and pickles stay behind, so nothing that comes with a model is ever run.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from phi3scaffold.models.families import registry
from phi3scaffold.models.model_config import (
    original_of,
    read_card,
    read_config,
    refuse_pointer,
)
from phi3scaffold.models.template_trial import check_template
from phi3scaffold.models.weight_files import check_safetensors, check_sizes
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json, write_json
from phi3scaffold.project.formatting import binary_size

WANTED = ("*.safetensors", "*.json", "*.jinja", "tokenizer.model", "LICENSE*")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
# Not the model's: what the pipeline writes, and other formats' own files.
UNWANTED = ("*/*", "manifest.json", "genai_config.json", "trainer_state.json", "adapter_*")
INDEX = "model.safetensors.index.json"
SMALL = 1_000_000  # bytes: a file up to this size is copied
PLAIN_TOKENIZER = "PreTrainedTokenizerFast"

Progress = Callable[[str, int, int], None]


def wanted(name: str) -> bool:
    """Return whether a file of a model's folder, or of its repository, is one we take."""
    matches = any(fnmatch.fnmatch(name, pattern) for pattern in WANTED)
    return matches and not any(fnmatch.fnmatch(name, pattern) for pattern in UNWANTED)


def wanted_files(folder: Path, *, weights: bool = True) -> list[Path]:
    """Return the files of `folder` we take, by name; without `weights`, only what is small."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and wanted(path.name) and (weights or not is_weights(path.name))
    )


def is_weights(name: str) -> bool:
    """Return whether a file holds weights, or says where they lie."""
    return name.endswith(".safetensors") or name == INDEX


def refuse_without_weights(names: Iterable[str], where: str | Path) -> None:
    """Raise ScaffoldError where a listing has no safetensors, saying which pickles it has."""
    names = list(names)
    if any(name.endswith(".safetensors") for name in names):
        return
    pickles = sorted(n for n in names if any(fnmatch.fnmatch(n, p) for p in PICKLES))
    if pickles:
        raise ScaffoldError(
            f"The model has its weights only as pickles ({pickles[0]}), which can run code when "
            "they are loaded; only safetensors are used.",
            where=where,
            fix="convert it where you trust it: load it with transformers, then "
            "save_pretrained(folder), and give that folder",
        )
    raise ScaffoldError(
        "The model has no weights: there is no *.safetensors.",
        where=where,
        fix="give a folder or a repository with config.json, *.safetensors and the tokenizer",
    )


def refuse_without_tokenizer(
    names: Iterable[str],
    where: str | Path,
    local: str | Path,
    *,
    original: str | None = None,
    first: str = "",
) -> None:
    """Raise ScaffoldError where a listing has no tokenizer.json.

    A SentencePiece model alone is not converted: where spaces go after the tags of a turn stands
    neither in it nor, for certain, beside it, and another guess than the model's is other tokens.

    Args:
        names: the files of the model.
        where: what was listed.
        local: the folder to put it into.
        original: the hub id of the model that this one was made from, where it is known.
        first: what to do before, to have such a folder.
    """
    names = list(names)
    if "tokenizer.json" in names:
        return
    if "tokenizer.model" not in names:
        raise ScaffoldError(
            "The model has no tokenizer.json.",
            where=where,
            fix="copy the tokenizer's files of the same model into the folder",
        )
    source = original or "MODEL"
    which = "" if original else ", where MODEL is the model that this one was made from"
    raise ScaffoldError(
        "The model has a SentencePiece model (tokenizer.model) and no tokenizer.json, which holds "
        "its control tokens and which ONNX Runtime GenAI reads.",
        where=where,
        fix=f"{first}hf download {source} tokenizer.json --local-dir {local}{which}",
    )


def check_model_folder(folder: Path) -> None:
    """Refuse a folder that is not a whole model of a known family with safetensors and a tokenizer.

    A config with `auto_map` is fine: the classes of transformers are used, never the code it
    points to.

    Raises:
        ScaffoldError: what is missing or wrong, and what to do.
    """
    config = read_config(folder)
    refuse_without_weights((path.name for path in folder.iterdir() if path.is_file()), folder)
    _check_shards(folder)
    check_sizes(folder, config)
    check_tokenizer(folder)


def refuse_links_out(folder: Path) -> None:
    """Refuse a user's folder where a file of the model is a link that leads out of it.

    Who made the folder could have any of the user's files published with the model otherwise. The
    hub's cache links into its own blobs.

    Raises:
        ScaffoldError: which file, and where it leads.
    """
    for path in wanted_files(folder):
        real, blobs = path.resolve(), folder.parent.parent / "blobs"
        in_cache = folder.parent.name == "snapshots" and real.parent == blobs.resolve()
        if not in_cache and not real.is_relative_to(folder.resolve()):
            raise ScaffoldError(
                f"The file is a link that leads out of the model's folder, to {real}.",
                where=path,
                fix="put a copy of that file there if it belongs to the model",
            )


def check_tokenizer(folder: Path) -> None:
    """Refuse a folder of such a model whose tokenizer cannot write prompts.

    Raises:
        ScaffoldError: what is missing or wrong, and what to do.
    """
    config = read_config(folder)
    names = [path.name for path in folder.iterdir() if path.is_file()]
    original = original_of(config, read_card(folder))
    refuse_without_tokenizer(names, folder, folder, original=original)
    for path in wanted_files(folder, weights=False):
        refuse_pointer(path)
    check_template(folder)


def _check_shards(folder: Path) -> None:
    """Refuse a missing shard of the index, and a safetensors file that is shorter than it says."""
    index = folder / INDEX
    shards = {path.name for path in folder.glob("*.safetensors")}
    if index.is_file():
        try:
            needed = set(read_json(index)["weight_map"].values())
        except (ScaffoldError, KeyError, TypeError, AttributeError):
            raise ScaffoldError(
                "The index of the weights cannot be read.",
                where=index,
                fix="copy the model's files again",
            ) from None
        missing = sorted(needed - shards)
        if missing:
            raise ScaffoldError(
                f"Weights are missing: {missing[0]}"
                + (f" and {len(missing) - 1} more." if len(missing) > 1 else "."),
                where=index,
                fix="copy the model's files again",
            )
    for name in sorted(shards):
        check_safetensors(folder / name)


def take_over(
    files: Iterable[Path], out: Path, progress: Progress | None = None, *, move: bool = False
) -> None:
    """Copy small files into `out`, hard-link others; move (if `move`) or copy what has no link.

    Raises:
        ScaffoldError: they must be copied and the disk has no room for them.
        OSError: what the system says.
    """
    sources = [(path.resolve(), path.name) for path in files]  # a cache links into its blobs
    total = sum(source.stat().st_size for source, _ in sources)
    done = 0
    for source, name in sources:
        size = source.stat().st_size
        if size <= SMALL:
            shutil.copyfile(source, out / name)
        elif not _linked(source, out / name):
            if move:
                shutil.move(source, out / name)
            else:
                require_room(out, total - done, "copying the model")
                shutil.copyfile(source, out / name)
        done += size
        if progress:
            progress("linking or copying the files", done, total)


def _linked(source: Path, target: Path) -> bool:
    refused = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in refused:
            return False
        raise
    return True


def require_room(folder: Path, needed: int, purpose: str) -> None:
    """Raise ScaffoldError where the disk of `folder` has not `needed` bytes left, and a margin."""
    needed += needed // 100
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ScaffoldError(
            f"Not enough disk space for {purpose}: {binary_size(needed)} needed, "
            f"{binary_size(free)} free.",
            where=folder,
            fix="free some space, or put the project on another disk",
        )


def modernise(folder: Path) -> tuple[str, ...]:
    """Rewrite what today's transformers misreads in a fetched folder; returns what was changed.

    - Older Phi-3 configurations call longrope "su" (or "yarn"): the same thing under an earlier
      name, which transformers 5 refuses to load.
    - tokenizer_config.json names LlamaTokenizer or GPT2Tokenizer. In a folder with a Phi-3
      config.json transformers 5 reads tokenizer.json as it stands; without one (an adapter's) it
      builds a tokenizer of that class, whose tokens differ after every role tag. The plain class
      reads tokenizer.json as it stands everywhere.

    A file is replaced, never written through, for it may be a hard link to the user's own.
    """
    config = read_config(folder)
    family = registry.family_of(config["architectures"]) or registry.DEFAULT
    changed = family.modernise(config)
    if changed:
        write_json(folder / "config.json", config, indent=2)
    settings_file = folder / "tokenizer_config.json"
    if settings_file.is_file() and (folder / "tokenizer.json").is_file():
        settings = read_json(settings_file)
        if settings.get("tokenizer_class") != PLAIN_TOKENIZER:
            found = settings.get("tokenizer_class")
            changed.append(f"tokenizer_config.json: tokenizer_class {found} -> {PLAIN_TOKENIZER}")
            settings["tokenizer_class"] = PLAIN_TOKENIZER
            settings.pop("auto_map", None)  # another model's code, which is never asked
            write_json(settings_file, settings, indent=2)
    return tuple(changed)
