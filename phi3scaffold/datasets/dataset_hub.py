"""Datasets of the hub: which files of which commit; downloaded into the hub's own cache.

The token comes only from HF_TOKEN or the hub's own login; HF_HUB_OFFLINE and HF_ENDPOINT are
respected. A dataset's own script is never run.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from phi3scaffold.datasets.formats import registry
from phi3scaffold.datasets.formats.byte_stream import HUB
from phi3scaffold.datasets.split_names import (
    TEST,
    TRAIN,
    VALIDATION,
    Splits,
    by_name,
    kinds,
    split_of,
)
from phi3scaffold.models.hub_errors import HubRequest, explained
from phi3scaffold.project.errors import ScaffoldError

ADDRESS = re.compile(r"hf://datasets/(?P<repo>[^/@]+/[^/@]+)@(?P<commit>[0-9a-f]{40})/(?P<path>.+)")
# What a person writes after --data: a path only behind hf://, the revision may hold slashes.
GIVEN = re.compile(
    r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>\S+))?"
    r"|hf://datasets/(?P<long>[\w.-]+/[\w.-]+)(?:@(?P<at>[^/\s]+))?(?:/(?P<path>.+))?"
)
LISTED = 12  # names in a message


class Dataset(NamedTuple):
    """Files of one commit.

    Attributes:
        repo, commit: the dataset, and 40 hex digits.
        splits: paths in the repository.
    """

    repo: str
    commit: str
    splits: Splits

    def address(self, path: str) -> str:
        return f"{HUB}{self.repo}@{self.commit}/{path}"


def is_hub_id(text: str) -> bool:
    """Return whether a text names a dataset of the hub (and no file that is there)."""
    if text.startswith("hf://"):
        return True
    return bool(GIVEN.fullmatch(text)) and not (
        text.startswith(".") or registry.is_data_file(text) or Path(text).exists()
    )


def find(text: str, part: str | None = None) -> Dataset:
    """Find the files of a dataset of the hub: of the text after --data.

    The dataset's card decides where it lists `data_files`, else the files' names. Of several parts
    (configurations, in the hub's words), or folders, `part` names the one.

    Raises:
        ScaffoldError: there is no such dataset, no access, no file that is read, or several that
            could be meant.
    """
    match = GIVEN.fullmatch(text)
    if match is None:
        raise ScaffoldError(
            f"{text!r} is not a dataset on the hub.",
            where="--data",
            fix="owner/name, owner/name@revision, or hf://datasets/owner/name/path/in/it",
        )
    repo, revision = match["repo"] or match["long"], match["revision"] or match["at"] or "main"
    hub, request = _hub(), _request(repo, revision)
    with explained(request):
        info = hub.HfApi().dataset_info(repo, revision=revision)
        commit, listed = str(info.sha), [file.rfilename for file in info.siblings or ()]
    names = _readable(listed, repo)
    path = (match["path"] or "").strip("/")
    if path:
        names = [name for name in names if name.startswith(f"{path}/") or _fits(name, path)]
        if not names:
            raise _unclear(repo, f"no supported data file is at {path!r}", _readable(listed, repo))
        return Dataset(repo, commit, _one_of_each(repo, by_name(names)))
    if "README.md" in listed:
        card = _card(download(f"{HUB}{repo}@{commit}/README.md"))
        splits = _of_card(repo, card, names, part)
        if splits is not None:
            return Dataset(repo, commit, _one_of_each(repo, splits))
    if part is not None:
        everything, names = names, [name for name in names if name.startswith(f"{part}/")]
        if not names:
            raise _unclear(repo, f"it has no subset {part}", everything)
    return Dataset(repo, commit, _one_of_each(repo, by_name(names)))


def download(address: str) -> Path:
    """Download the file behind ``hf://datasets/owner/name@commit/path`` into the hub's cache.

    Raises:
        ScaffoldError: the file cannot be had.
    """
    parts = ADDRESS.fullmatch(address)
    assert parts is not None, address
    hub = _hub()
    repo, commit = parts["repo"], parts["commit"]
    with explained(_request(repo, commit)):
        return Path(hub.hf_hub_download(repo, parts["path"], repo_type="dataset", revision=commit))


def _request(repo: str, revision: str) -> HubRequest:
    return HubRequest(
        repo=repo,
        revision=revision,
        page=f"datasets/{repo}",
        id_key="--data",
        id_fix="write it as owner/name, or give a file or a folder that exists",
        revision_key=f"{repo} @ {revision}",
        revision_fix="and name one of its branches, tags or commits",
        offline_fix="unset HF_HUB_OFFLINE, or run it once online: downloads stay in the "
        "hub's cache",
        missing_fix="check the name (there is no such file or folder here either)",
    )


def _hub() -> Any:
    """huggingface_hub, told before its import to send nothing that was not asked for."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import huggingface_hub

    return huggingface_hub


def _readable(listed: Sequence[str], repo: str) -> list[str]:
    names = [
        name
        for name in listed
        if registry.is_data_file(name)
        and not any(part.startswith(".") for part in name.split("/"))
        and not registry.BESIDE.fullmatch(name.rpartition("/")[2])
    ]
    if names:
        return sorted(names)
    script = f"{repo.partition('/')[2]}.py"
    if script in listed:
        raise ScaffoldError(
            f"The dataset is built by a script, {script}. Such scripts are never run.",
            where=repo,
            fix=f"try {repo}@refs/convert/parquet, where the hub keeps the output of such scripts",
        )
    raise _unclear(repo, f"it has no supported data file ({registry.endings_text()})", listed)


def _unclear(repo: str, why: str, names: Sequence[str]) -> ScaffoldError:
    shown = ", ".join(names[:LISTED]) + (f", ... ({len(names)} files)" if names[LISTED:] else "")
    return ScaffoldError(
        f"It is not clear which rows to use: {why}. There are: {shown or 'no files'}.",
        where=repo,
        fix=f"name a file, a folder or a pattern: --data 'hf://datasets/{repo}/"
        f"{names[0] if names else 'path'}'",
    )


def _one_of_each(repo: str, splits: Splits) -> Splits:
    """Refuse a split of several kinds of files, which may be languages or versions."""
    everything = [name for names in splits.named.values() for name in names]
    if not splits.train:
        if len(everything) != 1:
            raise _unclear(repo, "no file is called train", [*everything, *splits.others])
        return Splits(tuple(everything))
    for split, names in splits.named.items():
        different = kinds(names)
        if len(different) > 1:
            raise _unclear(repo, f"several files could be its {split} split", different)
    return splits


def _card(readme: Path) -> Mapping[str, Any]:
    import yaml
    from huggingface_hub.repocard import metadata_load

    try:
        return metadata_load(readme) or {}
    except (ValueError, yaml.YAMLError):  # a card that nobody can read says nothing
        return {}


def _of_card(
    repo: str, card: Mapping[str, Any], names: Sequence[str], part: str | None
) -> Splits | None:
    """Return what the card's `configs` list, for `part`; None where they list nothing."""
    listed = card.get("configs")
    configs = [
        config
        for config in (listed if isinstance(listed, list) else ())
        if isinstance(config, dict) and (config.get("data_files") or config.get("data_dir"))
    ]
    if part is not None:
        configs = [config for config in configs if config.get("config_name") == part]
    elif len(configs) > 1:
        parts = ", ".join(str(config.get("config_name")) for config in configs[:LISTED])
        configs = [c for c in configs if c.get("default") or c.get("config_name") == "default"]
        if len(configs) != 1:
            raise _unclear(repo, f"it has several subsets ({parts})", names)
    if not configs:
        return None
    folder = str(configs[0].get("data_dir") or "").strip("/")
    listing = configs[0].get("data_files")
    if not listing:
        return by_name(name for name in names if name.startswith(f"{folder}/"))
    found: dict[str, dict[str, None]] = {}  # sets that keep their order
    for split, patterns in _data_files(listing):
        full = [f"{folder}/{pattern}" if folder else pattern for pattern in patterns]
        matching = [name for name in names if any(_fits(name, pattern) for pattern in full)]
        found.setdefault(split_of(split) or split, {}).update(dict.fromkeys(matching))
    train, validation, test = (tuple(found.pop(one, ())) for one in (TRAIN, VALIDATION, TEST))
    others = tuple(name for names_of_split in found.values() for name in names_of_split)
    return Splits(train, validation, test, others)


def _data_files(listing: Any) -> list[tuple[str, list[str]]]:
    """(split, patterns) of each form that the hub documents for `data_files`."""
    if isinstance(listing, Mapping):
        listing = [{"split": split, "path": path} for split, path in listing.items()]
    elif isinstance(listing, str) or not isinstance(listing[0], Mapping):
        listing = [{"split": TRAIN, "path": listing}]
    return [
        (str(one.get("split", TRAIN)), [path] if isinstance(path, str) else list(map(str, path)))
        for one in listing
        if (path := one.get("path"))
    ]


def _fits(name: str, pattern: str) -> bool:
    """Return whether a path matches a pattern; ``*`` stays within a folder, ``**`` does not."""
    if "**" in pattern:
        return fnmatch.fnmatchcase(name, pattern.replace("**/", "*"))
    return name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)
