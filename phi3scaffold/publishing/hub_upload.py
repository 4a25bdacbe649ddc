"""To the hub: what is there, what is missing, and one commit that makes it whole.

Large files go up one by one before the commit: the hub keeps them by their content, so that a run
that was ended goes on behind the last one (through Xet: within it). Whoever looks at the repository
sees the whole publication or nothing of it. huggingface_hub's `upload_folder` is not used: with Xet
it commits in several steps, without it begins every file at once.
"""

from __future__ import annotations

import contextlib
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from phi3scaffold import __version__
from phi3scaffold.inference.forms.kinds import PUBLISHED
from phi3scaffold.models.hub_errors import LOG_IN, HubRequest, explained
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.publishing import upload_progress
from phi3scaffold.publishing.file_list import FileToPublish, Publication

# Seconds to wait before a commit is tried again; huggingface_hub tries everything else again.
WAITS = (1, 4, 10)
BY = "published by phi3scaffold"  # in the title of every commit
Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class UploadPlan:
    """A repository as it is, and what a publication does to it.

    Attributes:
        repo: OWNER/NAME.
        publication: what it shall hold, its README of that repository.
        new: whether it is made.
        private: whether it is, or will be.
        head: its last commit; None where it is new.
        unnamed: data sets that rows came from and that not everybody sees: the README is silent
            about them.
        missing: the files that go up; what is there already does not.
        goes: paths there that go away: of forms that are others now.
    """

    repo: str
    publication: Publication
    new: bool
    private: bool
    head: str | None
    unnamed: tuple[str, ...]
    missing: tuple[FileToPublish, ...]
    goes: tuple[str, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.missing)


def check_name(repo: str) -> None:
    """Refuse what cannot be a repository's name, OWNER/NAME or NAME; asks nobody."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise ScaffoldError(
            f"{repo!r} is not a hub id.", where="OWNER/NAME", fix="such as: me/my-model"
        ) from None


def check_login() -> None:
    """Refuse where nothing could be sent anyway; asks nobody, and is over at once."""
    from huggingface_hub import constants, get_token

    if constants.is_offline_mode():
        raise ScaffoldError(
            "The hub must not be asked: HF_HUB_OFFLINE is set.",
            fix="unset HF_HUB_OFFLINE; or look only: --dry-run",
        )
    if get_token() is None:
        raise ScaffoldError("Nobody is logged in at the hub.", fix=LOG_IN)


def look(
    publication: Publication, repo: str, *, public: bool, overwrite: bool = False
) -> UploadPlan:
    """What is on the hub already; changes nothing.

    Args:
        repo: OWNER/NAME, or NAME for whom the token belongs to.
        public: whether everybody may see it; a new repository is private without.
        overwrite: whether files there may be replaced that another hand has changed.

    Raises:
        ScaffoldError: no access, no network; or the repository is public and `public` does not say
            so; or another hand has changed there what would be replaced.
    """
    from huggingface_hub import errors

    api = _api()
    with explained(_asked(repo)):
        me = api.whoami()["name"]  # also where an owner is given: is the token one at all?
        repo = repo if "/" in repo else f"{me}/{repo}"
    with explained(_asked(repo)):
        named = [name for name in publication.sources if _everybody_sees(api, name)]
        unnamed = tuple(name for name in publication.sources if name not in named)
        try:
            info = api.model_info(repo)
        except errors.GatedRepoError:
            raise
        except errors.RepositoryNotFoundError:
            whole = publication.described(repo, named=named)
            return UploadPlan(repo, whole, True, not public, None, unnamed, whole.files, ())
        if not info.private and not public:
            raise ScaffoldError(
                f"{repo} is public: everybody would see it.",
                where=repo,
                fix="say --public if they shall, or give another name",
            )
        there = _list(api, repo, str(info.sha))
        whole = publication.described(repo, _stay(publication, there), named)
        missing, goes = _compare(whole, there)
        replaced = [*(file.name for file in missing if file.name in there), *goes]
        if replaced and not overwrite:
            _check_own(api, repo, str(info.sha), replaced)
    return UploadPlan(repo, whole, False, bool(info.private), info.sha, unnamed, missing, goes)


def _everybody_sees(api: Any, data_set: str) -> bool:
    """Whether the hub shows a data set to who has no token, too."""
    from huggingface_hub import errors

    try:
        api.dataset_info(data_set, token=False)
    except errors.GatedRepoError:  # its page is there for everybody
        return True
    except errors.RepositoryNotFoundError:
        return False
    return True


def _check_own(api: Any, repo: str, commit: str, names: list[str]) -> None:
    """Refuse to replace files that `publish` was not the last to change."""
    for entry in api.get_paths_info(repo, names, expand=True, revision=commit):
        title = entry.last_commit.title if entry.last_commit else "?"
        if BY not in title:
            raise ScaffoldError(
                f"{entry.path} would be replaced, and another hand has changed it: {title!r}.",
                where=f"{repo} @ {commit[:12]}: {entry.path}",
                fix="keep what shall stay of it, then say --overwrite (the hub's history holds it, "
                "too); or give another name",
            )


def send(target: UploadPlan, progress: Progress) -> str:
    """Make the repository hold the publication; returns its page.

    Args:
        progress: called with the name of the file that is being sent, and the bytes of all files
            that were sent until then.

    Raises:
        ScaffoldError: no access, no network, or the hub failed; what is up already stays there,
            and the next call goes on with the rest.
    """
    from huggingface_hub import CommitOperationDelete, constants

    api, page = _api(), f"{constants.ENDPOINT}/{target.repo}"
    if not target.missing and not target.goes:
        return page
    with explained(_asked(target.repo)), _unwrapped(target.repo):
        head = target.head
        if target.new:
            api.create_repo(target.repo, private=target.private)
            head = api.model_info(target.repo).sha
        added = []
        done = 0
        for file in sorted(target.missing, key=lambda file: file.size):
            with upload_progress.counted(file, partial(_tell, progress, file, done)) as operation:
                try:
                    api.preupload_lfs_files(target.repo, [operation], free_memory=False)
                finally:  # before what the hub says of other content; Xet says nothing of it
                    file.check_unchanged()
            added.append(operation)
            done += file.size
        progress("the commit", done)
        operations = [*added, *(CommitOperationDelete(name) for name in target.goes)]
        _commit(api, target, head, operations)
    return page


def _tell(progress: Progress, file: FileToPublish, before: int, done: int) -> None:
    progress(file.name, before + min(done, file.size))


def _commit(api: Any, target: UploadPlan, head: Any, operations: Any) -> None:
    """One commit; tried again where the hub fails, unless it came through after all."""
    import httpx2
    from huggingface_hub import errors

    repo = target.repo
    forms = ", ".join(target.publication.forms)
    message = f"{forms}: {BY} {__version__}"
    for wait in (*WAITS, None):
        try:
            api.create_commit(repo, operations, commit_message=message, parent_commit=head)
            return
        except (errors.HfHubHTTPError, httpx2.TransportError) as error:
            status = getattr(getattr(error, "response", None), "status_code", 500)
            if wait is None or status < 500:
                raise
        time.sleep(wait)
        there = _list(api, repo, str(api.model_info(repo).sha))
        if _compare(target.publication, there) == ((), ()):
            return


def _list(api: Any, repo: str, commit: str) -> dict[str, Any]:
    """The files of a repository: path -> what the hub says of it."""
    return {
        entry.path: entry
        for entry in api.list_repo_tree(repo, recursive=True, revision=commit)
        if hasattr(entry, "blob_id")
    }


def _stay(publication: Publication, there: Mapping[str, Any]) -> set[str]:
    """The folders that are there and stay: forms of this very model, and what is no form."""
    of_this = {
        form
        for form, name in publication.others.items()
        if f"{form}/manifest.json" in there and there[f"{form}/manifest.json"].blob_id == name
    }
    return {path.split("/")[0] for path in there if "/" in path} - {*PUBLISHED} | of_this


def _compare(
    publication: Publication, there: Mapping[str, Any]
) -> tuple[tuple[FileToPublish, ...], tuple[str, ...]]:
    """What is not there as it should be, and what should not be there."""
    stay, names = _stay(publication, there), {file.name for file in publication.files}
    goes = (
        path
        for path in there
        if path not in names and "/" in path and path.split("/")[0] in {*PUBLISHED} - stay
    )
    return tuple(
        file for file in publication.files if not _same(file, there.get(file.name))
    ), tuple(sorted(goes))


def _same(file: FileToPublish, entry: Any) -> bool:
    if entry is None or entry.size != file.size:
        return False
    if entry.lfs is not None:
        return bool(entry.lfs.sha256 == file.sha256)
    return bool(entry.blob_id == file.git_hash)


def _api() -> Any:
    import huggingface_hub
    from huggingface_hub.utils import disable_progress_bars, logging

    # its warnings name addresses that hold a signature; what fails for good is an error of ours
    logging.set_verbosity_error()
    if huggingface_hub.constants.HF_HUB_DISABLE_XET:  # `counting` is in the place of Xet's bars
        with warnings.catch_warnings():  # about HF_HUB_DISABLE_PROGRESS_BARS=0, which stays so
            warnings.simplefilter("ignore")
            disable_progress_bars()
    return huggingface_hub.HfApi(library_name="phi3scaffold", library_version=__version__)


@contextlib.contextmanager
def _unwrapped(repo: str) -> Iterator[None]:
    """What huggingface_hub wraps into errors of its own, or raises as a ValueError."""
    import httpx2
    from huggingface_hub import errors

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ScaffoldError, errors.HfHubHTTPError, httpx2.HTTPError):
        raise
    except (ValueError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # a file of this machine; what hf_xet raises names none
        cause = error.__cause__
        if isinstance(cause, (errors.HfHubHTTPError, httpx2.HTTPError)):
            raise cause from None
        told = " ".join(re.sub(r"\?\S+", "", str(error)).split())
        raise ScaffoldError(
            f"The upload failed: {told}",
            where=repo,
            fix=_asked(repo).again,
            exit_code=FAILED_RUN,
        ) from error


def _asked(repo: str) -> HubRequest:
    return HubRequest(
        repo=repo,
        revision="main",
        page=repo,
        id_key="OWNER/NAME",
        id_fix="such as: me/my-model",
        revision_key=repo,
        revision_fix="and make that branch",
        offline_fix="unset HF_HUB_OFFLINE: nothing can be published without the network",
        again="run it again: what is up already is not sent again",
        refused_fix="a token that may write there (and, of an organization, a member who may): "
        "{settings}/settings/tokens",
    )
