"""What huggingface_hub raises, as errors a person can act on; the same for models and datasets."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError

T = TypeVar("T")
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


class HubError(ScaffoldError):
    """The hub did not give what was asked of it."""


@dataclass(frozen=True)
class HubRequest:
    """What was asked of the hub, and what its errors say about it.

    Attributes:
        repo, revision: the repository, and the branch, tag or commit.
        page: its page below the hub's address.
        id_key, id_fix: where a wrong id stands, and how one is written.
        revision_key, revision_fix: where a wrong revision stands, and what to do.
        offline_fix: what to do where HF_HUB_OFFLINE forbids to fetch it.
        missing_fix: what to do where there is no such repository.
        again: what a second try does.
        refused_fix: what to do where the hub answers 403; where nothing is said, ask for access.
    """

    repo: str
    revision: str
    page: str
    id_key: str
    id_fix: str
    revision_key: str
    revision_fix: str
    offline_fix: str
    missing_fix: str = "check the name"
    again: str = "run it again"
    refused_fix: str = "ask for it at {page}; a fine-grained token must allow gated repositories"

    @property
    def where(self) -> str:
        return f"{self.repo} @ {self.revision}"


def offline_error(request: HubRequest) -> HubError:
    return HubError(
        f"{request.repo} is not on this machine, and HF_HUB_OFFLINE forbids downloading it.",
        where=request.where,
        fix=request.offline_fix,
    )


@contextlib.contextmanager
def explained(request: HubRequest) -> Iterator[None]:
    """Turn what huggingface_hub raises inside the block into errors a person can act on."""
    import httpx2
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{request.page}"
    try:
        yield
    except ScaffoldError:
        raise
    except errors.HFValidationError:
        raise HubError(
            f"{request.repo!r} is not a hub id.", where=request.id_key, fix=request.id_fix
        ) from None
    except errors.GatedRepoError as error:
        raise HubError(
            f"{request.repo} is gated: its owner grants access only on request.",
            where=request.where,
            fix=f"accept its terms at {page}, then {LOG_IN}",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise HubError(
            f"{request.repo} has no revision {request.revision!r}.",
            where=request.revision_key,
            fix=f"see {page}/commits/main, {request.revision_fix}",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise HubError(
            f"{request.repo} does not exist on the hub, or is private.",
            where=request.where,
            fix=f"{request.missing_fix}; if it is private, {LOG_IN}",
        ) from error
    except errors.RemoteEntryNotFoundError as error:
        raise HubError(
            f"{request.repo} has no such file at that revision.",
            where=request.where,
            fix=f"see {page}/tree/{request.revision}",
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise offline_error(request) from error
    except errors.HfHubHTTPError as error:
        raise _http_error(request, page, error) from error
    except (httpx2.HTTPError, errors.LocalEntryNotFoundError, ConnectionError) as error:
        if constants.is_offline_mode():
            raise offline_error(request) from error
        raise HubError(
            f"The hub cannot be reached: {_first_line(error)}",
            where=constants.ENDPOINT,
            fix=f"check the network (and HTTPS_PROXY), then {request.again}",
            exit_code=FAILED_RUN,
        ) from error


def within(seconds: float, ask: Callable[[], T]) -> T:
    """Return what `ask` returns, where the hub answers it in time.

    huggingface_hub waits for ever where a network swallows packets, and the system's look-up of a
    name cannot be given a limit: the question goes on in a thread that ends with the process.

    Raises:
        HubError: the hub has not answered by then.
    """
    from huggingface_hub import constants

    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(ask())
        except BaseException as error:  # noqa: BLE001 (it is raised where the answer is awaited)
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if found:
        return found[0]
    raise HubError(
        f"The hub did not answer within {seconds:g} seconds.",
        where=constants.ENDPOINT,
        fix="check the network (and HTTPS_PROXY), then run it again",
        exit_code=FAILED_RUN,
    )


def _http_error(request: HubRequest, page: str, error: Any) -> HubError:
    from huggingface_hub import constants

    status = getattr(error.response, "status_code", None)
    if status == 401:
        return HubError(
            "The hub does not accept the token.",
            where=request.where,
            fix=f"{LOG_IN}; `hf auth whoami` says which one is used",
        )
    if status == 403:
        return HubError(
            f"The hub refuses access to {request.repo}.",
            where=request.where,
            fix=request.refused_fix.format(page=page, settings=constants.ENDPOINT),
        )
    if status in (409, 412):
        return HubError(
            f"{request.repo} has changed in the meantime, or is being changed right now.",
            where=request.where,
            fix=request.again,
            exit_code=FAILED_RUN,
        )
    message = (getattr(error, "server_message", None) or "").splitlines()[:1]
    return HubError(
        ": ".join(["The hub failed", _first_line(error).rstrip(":"), *message]),
        where=request.where,
        fix=f"wait a while, then {request.again}",
        exit_code=FAILED_RUN,
    )


def _first_line(error: BaseException) -> str:
    """Return an error's first line without an address's query, which may be a secret."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.sub(r"(https?://[^\s?]+)\?\S+", r"\1", line)
