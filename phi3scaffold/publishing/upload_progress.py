"""How far the upload of one file is, in bytes: huggingface_hub draws bars of its own, one a file.

Over plain HTTP it reads a file through `CommitOperationAdd.as_file`. Xet reads it by itself, and
tells a class of huggingface_hub's that can only be put in the place of: nothing public leads there.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from phi3scaffold.publishing.file_list import FileToPublish

Tell = Callable[[int], None]
XET = "XetUploadProgressReporter"


@contextlib.contextmanager
def counted(file: FileToPublish, tell: Tell) -> Iterator[Any]:
    """The operation that adds a file to a repository; send it inside the block.

    Args:
        tell: called now and then with the bytes of it that were sent; first with 0.
    """
    from huggingface_hub import CommitOperationAdd
    from huggingface_hub.utils import _xet_progress_reporting as reporting

    class Counted(CommitOperationAdd):
        @contextlib.contextmanager
        def as_file(self, with_tqdm: bool = False) -> Iterator[BinaryIO]:
            with super().as_file() as stream:
                yield _Told(stream, tell) if with_tqdm else stream

    operation = Counted(file.name, file.content)
    # what was compared with the manifest: plain HTTP refuses content that is not this
    operation.upload_info.sha256 = bytes.fromhex(file.sha256)
    tell(0)
    bars = getattr(reporting, XET)
    setattr(reporting, XET, lambda: _Xet(tell))
    try:
        yield operation
    finally:
        setattr(reporting, XET, bars)


class _Told(io.BufferedReader):
    """A file that says how far it was read; after an attempt that failed it begins again."""

    def __init__(self, stream: Any, tell: Tell) -> None:
        super().__init__(stream)
        self._tell = tell

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self._tell(self.tell())
        return data


class _Xet:
    """In the place of huggingface_hub's bars: called by hf_xet, from a thread of its own."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def update_progress(self, whole: Any, _: Any) -> None:
        self._tell(whole.total_bytes_completed)

    def close(self) -> None:
        pass
