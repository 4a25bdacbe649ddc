"""The upload to the hub: large files one by one, then one commit, so that a rerun resumes.

`upload_folder` is not used: with Xet it commits in several steps, without it starts all at once.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from phi3scaffold import __version__
from phi3scaffold.inference.forms.kinds import PUBLISHED
from phi3scaffold.models.hub_errors import LOG_IN, HubRequest, explained
from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.project.layout import PROJECT_FILE
from phi3scaffold.project.settings import DEMONSTRATION, Project
from phi3scaffold.publishing.file_list import FileToPublish, Publication

# Seconds to wait before a commit is tried again; huggingface_hub tries everything else again.
WAITS = (1, 4, 10)
LOOPBACK = ("localhost", "127.0.0.1", "::1")  # what goes to a hub there stays on this machine
BY = "published by phi3scaffold"  # in the title of every commit


@dataclass(frozen=True)
class UploadPlan:
    """A repository as it is, and what an upload changes in it.

    Attributes:
        publication: its future content, with the README for this repository.
        private: whether it is, or will be.
        head: its last commit; None where the upload creates it.
        unnamed: private data sets that rows came from; the README does not name them.
        missing: the files to upload; those that are there already are left out.
        obsolete: paths there to delete: of forms that were made again.
    """

    repo: str
    publication: Publication
    private: bool
    head: str | None
    unnamed: tuple[str, ...]
    missing: tuple[FileToPublish, ...]
    obsolete: tuple[str, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.missing)


def check_name(repo: str) -> None:
    """Refuse what cannot be a repository's name, OWNER/NAME or NAME, without the network."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise ScaffoldError(
            f"{repo!r} is not a hub id.", where="OWNER/NAME", fix="such as: me/my-model"
        ) from None


def check_demonstration(project: Project) -> None:
    """Refuse a demonstration model, unless the hub is one on this machine; without the network."""
    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).hostname or ""
    if project.is_demonstration and host not in LOOPBACK:
        raise ScaffoldError(
            f"This is a {DEMONSTRATION}. It is not published.",
            where=f"{project.root / PROJECT_FILE}: model.id",
            fix="train a base model of `phi3scaffold models`; --dry-run shows what would go up",
        )


def check_login() -> None:
    """Refuse where the hub is off limits or there is no token, without the network."""
    from huggingface_hub import constants, get_token

    if constants.is_offline_mode():
        raise ScaffoldError(
            "The hub cannot be used: HF_HUB_OFFLINE is set.",
            fix="unset HF_HUB_OFFLINE; or only check: --dry-run",
        )
    if get_token() is None:
        raise ScaffoldError("There is no login for the hub.", fix=LOG_IN)


def plan_upload(
    publication: Publication, repo: str, *, public: bool, overwrite: bool = False
) -> UploadPlan:
    """Compare a publication with the repository; change nothing.

    Args:
        repo: OWNER/NAME, or NAME in the token owner's account.
        public: whether it may be public; a new repository is private otherwise.
        overwrite: whether files that somebody else changed there may be replaced.

    Raises:
        ScaffoldError: no access, no network; or the repository is public and `public` is not set;
            or somebody else has changed a file that would be replaced.
    """
    from huggingface_hub import errors

    api = _api()
    with explained(_request(repo)):
        me = api.whoami()["name"]  # with an owner, too: it checks the token
        repo = repo if "/" in repo else f"{me}/{repo}"
    with explained(_request(repo)):
        named = [name for name in publication.sources if _is_public(api, name)]
        unnamed = tuple(name for name in publication.sources if name not in named)
        try:
            info = api.model_info(repo)
        except errors.GatedRepoError:
            raise
        except errors.RepositoryNotFoundError:
            whole = publication.with_readme(repo, named=named)
            return UploadPlan(repo, whole, not public, None, unnamed, whole.files, ())
        if not info.private and not public:
            raise ScaffoldError(
                f"{repo} is public: everybody would see the upload.",
                where=repo,
                fix="add --public if that is intended, or choose another name",
            )
        head = str(info.sha)
        there = _list(api, repo, head)
        whole = publication.with_readme(repo, _stay(publication, there), named)
        missing, obsolete = _compare(whole, there)
        replaced = [*(file.name for file in missing if file.name in there), *obsolete]
        if replaced and not overwrite:
            _check_own(api, repo, head, replaced)
    return UploadPlan(repo, whole, bool(info.private), head, unnamed, missing, obsolete)


def _is_public(api: Any, data_set: str) -> bool:
    """Tell whether the hub shows a data set without a token, too."""
    from huggingface_hub import errors

    try:
        api.dataset_info(data_set, token=False)
    except errors.GatedRepoError:  # its page is there for everybody
        return True
    except errors.RepositoryNotFoundError:
        return False
    return True


def _check_own(api: Any, repo: str, commit: str, names: list[str]) -> None:
    """Refuse to replace files whose last change is not by `publish`."""
    for entry in api.get_paths_info(repo, names, expand=True, revision=commit):
        title = entry.last_commit.title if entry.last_commit else "?"
        if BY not in title:
            raise ScaffoldError(
                f"{entry.path} would be replaced, but somebody else has changed it: {title!r}.",
                where=f"{repo} @ {commit[:12]}: {entry.path}",
                fix="save what you need of it, then add --overwrite (the hub's history keeps it, "
                "too); or choose another name",
            )


def send(plan: UploadPlan, report: Callable[[FileToPublish], None]) -> str:
    """Upload the publication; return the repository's page.

    `report` is called with each file before it is sent; in a terminal huggingface_hub shows how far
    it is.

    Raises:
        ScaffoldError: no access, no network, or the hub failed; files that were uploaded stay
            there, and the next call continues with the rest.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, constants

    api, page = _api(), f"{constants.ENDPOINT}/{plan.repo}"
    if not plan.missing and not plan.obsolete:
        return page
    with explained(_request(plan.repo)), _unwrapped(plan.repo):
        head = plan.head
        if head is None:
            api.create_repo(plan.repo, private=plan.private)
            head = api.model_info(plan.repo).sha
        added = []
        for file in sorted(plan.missing, key=lambda file: file.size):
            report(file)
            operation = CommitOperationAdd(file.name, file.content)
            # what was compared with the manifest: plain HTTP refuses other content
            operation.upload_info.sha256 = bytes.fromhex(file.sha256)
            try:
                api.preupload_lfs_files(plan.repo, [operation], free_memory=False)
            finally:  # before the hub's own error about other content; Xet has none
                file.check_unchanged()
            added.append(operation)
        operations = [*added, *(CommitOperationDelete(name) for name in plan.obsolete)]
        _commit(api, plan, head, operations)
    return page


def _commit(api: Any, plan: UploadPlan, head: Any, operations: Any) -> None:
    """Commit, and try again where the hub fails, unless the commit succeeded after all."""
    import httpx2
    from huggingface_hub import errors

    repo = plan.repo
    forms = ", ".join(plan.publication.forms)
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
        if _compare(plan.publication, there) == ((), ()):
            return


def _list(api: Any, repo: str, commit: str) -> dict[str, Any]:
    """Return the files of a repository: path -> the hub's entry."""
    return {
        entry.path: entry
        for entry in api.list_repo_tree(repo, recursive=True, revision=commit)
        if hasattr(entry, "blob_id")
    }


def _stay(publication: Publication, there: Mapping[str, Any]) -> set[str]:
    """Return the folders there that stay: forms of this very model, and those of no form."""
    of_this = {
        form
        for form, name in publication.others.items()
        if f"{form}/manifest.json" in there and there[f"{form}/manifest.json"].blob_id == name
    }
    return {path.split("/")[0] for path in there if "/" in path} - {*PUBLISHED} | of_this


def _compare(
    publication: Publication, there: Mapping[str, Any]
) -> tuple[tuple[FileToPublish, ...], tuple[str, ...]]:
    """Return the files that are missing or different there, and the paths to delete."""
    stay, names = _stay(publication, there), {file.name for file in publication.files}
    obsolete = (
        path
        for path in there
        if path not in names and "/" in path and path.split("/")[0] in {*PUBLISHED} - stay
    )
    return tuple(
        file for file in publication.files if not _same(file, there.get(file.name))
    ), tuple(sorted(obsolete))


def _same(file: FileToPublish, entry: Any) -> bool:
    if entry is None or entry.size != file.size:
        return False
    if entry.lfs is not None:
        return bool(entry.lfs.sha256 == file.sha256)
    return bool(entry.blob_id == file.git_hash)


def _api() -> Any:
    import huggingface_hub
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars, logging

    # its warnings name addresses with a signature; what fails for good is an error of ours
    logging.set_verbosity_error()
    with warnings.catch_warnings(action="ignore"):  # that HF_HUB_DISABLE_PROGRESS_BARS decides
        (enable_progress_bars if sys.stderr.isatty() else disable_progress_bars)()
    return huggingface_hub.HfApi(library_name="phi3scaffold", library_version=__version__)


@contextlib.contextmanager
def _unwrapped(repo: str) -> Iterator[None]:
    """Unwrap HTTP errors that huggingface_hub wraps, and name the others."""
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
        reason = " ".join(re.sub(r"\?\S+", "", str(error)).split())
        raise ScaffoldError(
            f"The upload failed: {reason}",
            where=repo,
            fix=_request(repo).again,
            exit_code=FAILED_RUN,
        ) from error


def _request(repo: str) -> HubRequest:
    return HubRequest(
        repo=repo,
        revision="main",
        page=repo,
        id_key="OWNER/NAME",
        id_fix="such as: me/my-model",
        revision_key=repo,
        revision_fix="and make that branch",
        offline_fix="unset HF_HUB_OFFLINE: publishing needs the network",
        again="rerun to resume: uploaded files are not sent again",
        refused_fix="a token (in an organization: of a member) with write access: "
        "{settings}/settings/tokens",
    )
