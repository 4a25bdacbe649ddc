"""How far an upload is: one count over all files, whatever carries them."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from phi3scaffold.publishing.file_list import FileToPublish
from phi3scaffold.publishing.upload_progress import counted
from tests.publishing.conftest import REPO, TOKEN
from tests.support.hub_server import HubServer
from tests.support.terminal import Terminal

CONTENT = bytes(range(256)) * 4000


def upload(content: Path | bytes) -> FileToPublish:
    return FileToPublish(
        "onnx/model.onnx.data", content, hashlib.sha256(CONTENT).hexdigest(), 1_024_000
    )


@pytest.mark.parametrize("large", [True, False])
def test_over_http_the_bytes_that_were_read(large: bool, hub: HubServer, tmp_path: Path) -> None:
    """A connection that breaks half-way begins the file again, and so does the count."""
    from huggingface_hub import HfApi

    (tmp_path / "weights").write_bytes(CONTENT)
    hub.add(REPO).commit({})
    hub.uploads.cut_after = 500_000 if large else None
    told: list[int] = []
    with counted(upload(tmp_path / "weights" if large else CONTENT), told.append) as operation:
        api = HfApi(endpoint=hub.url, token=TOKEN)
        with pytest.MonkeyPatch.context() as environment:
            environment.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
            api.preupload_lfs_files(REPO, [operation], free_memory=False)
    assert hub.uploads.stored[operation.upload_info.sha256.hex()] == CONTENT
    assert told[0] == 0 and told[-1] == len(CONTENT)
    assert len(set(told)) > 5
    assert (sorted(told) == told) is not large


def test_through_xet_what_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """huggingface_hub's own code around Xet; its storage is replaced, which has no loopback."""
    from huggingface_hub import _commit_api
    from huggingface_hub.utils import _xet, enable_progress_bars

    class Storage:
        @contextlib.contextmanager
        def new_upload_commit(self, progress_callback: Callable[..., None], **_: Any) -> Iterator:
            self.tell = progress_callback
            yield self

        def start_upload_file(self, path: str, sha256: str) -> None:
            for done in (400_000, 1_024_000):
                self.tell(SimpleNamespace(total_bytes_completed=done), {})

    monkeypatch.setattr(_xet, "get_xet_session", Storage)
    enable_progress_bars()  # without, huggingface_hub asks nobody
    (tmp_path / "weights").write_bytes(CONTENT)
    told: list[int] = []
    with counted(upload(tmp_path / "weights"), told.append) as operation:
        _commit_api._upload_xet_files(
            additions=[operation], repo_type="model", repo_id=REPO, headers={}, revision="main"
        )
    assert told == [0, 400_000, 1_024_000]


def test_in_a_terminal_one_bar(
    project: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.uploads.stall_after = 2
    for name, value in {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": TOKEN,
        "COLUMNS": "80",
        "PYTHONPATH": ":".join(path for path in sys.path if path),
    }.items():
        monkeypatch.setenv(name, value)
    with Terminal([sys.executable, "-m", "phi3scaffold", "publish", REPO], project) as terminal:
        terminal.hear("to send: ", 60)
        assert hub.uploads.stalled.wait(60)
        terminal.hear("onnx/model.onnx.data")
        assert re.search(r"\d\.\d MB of \d\.\d MB", terminal.hear(" MB of") + terminal.hear(" MB"))
        assert "%|" not in terminal.seen  # huggingface_hub's own bar
