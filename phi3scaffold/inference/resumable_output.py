"""`infer --output`: the file appears whole or not at all, and no prompt is answered twice.

Each answer goes at once into FILE.partial beside it, from which the same command resumes; a prompt
that changed meanwhile is answered again.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from phi3scaffold.datasets.formats.byte_stream import is_gz
from phi3scaffold.datasets.formats.json import JSON_LINES
from phi3scaffold.datasets.formats.registry import is_data_file
from phi3scaffold.inference.answer_record import AnswerRecord
from phi3scaffold.inference.answer_settings import AnswerSettings
from phi3scaffold.inference.answered_rows import write_answered
from phi3scaffold.inference.forms.form import Form
from phi3scaffold.models.column_templates import Message
from phi3scaffold.pipeline import manifest
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import whole_file


def is_json_lines(file: Path) -> bool:
    """Return whether the file's ending names JSON lines."""
    return file.suffix.lower() in JSON_LINES.endings


class ResumableOutput:
    """The answers of one run; close it, or use it in a `with`.

    Args:
        form, settings: what the answers come from; those of others are not reused.
        overwrite: whether answers of others may be dropped.

    Attributes:
        before: how many answers an earlier run left.

    Raises:
        ScaffoldError: another run is writing this file, or left answers of others.
    """

    def __init__(
        self, file: Path, form: Form, settings: AnswerSettings, *, overwrite: bool = False
    ) -> None:
        self.file = file
        self.partial = file.with_name(file.name + ".partial")
        self._lock = FileLock(file.with_name(f".{file.name}.lock"), blocking=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise ScaffoldError(
                "Another run is writing this file.",
                where=file,
                fix="wait for it, or stop it",
            ) from None
        if self.partial.is_symlink():
            self._lock.release()
            raise ScaffoldError(
                "It is a link; the answers so far would be written to where it leads.",
                where=self.partial,
                fix="remove it",
            )
        record = manifest.read(form.folder)
        self._head = json.dumps(
            {
                "form": form.name,
                "adapter": form.adapter,
                "content": record.content if record else None,
                "settings": asdict(settings),
                "temperature": form.calibration and form.calibration.temperature,
            }
        ).encode()
        self._places: dict[int, int] = {}  # number of a prompt -> where its line begins
        self._stream = self.partial.open("r+b" if self.partial.exists() else "w+b")
        try:
            self._resume(overwrite)
        except ScaffoldError:
            self.__exit__()
            raise
        self.before = len(self._places)

    def __enter__(self) -> ResumableOutput:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._stream.close()
        finally:  # on a full disk closing fails
            self._lock.release()
            with contextlib.suppress(OSError):  # Windows, where another run waits for it
                Path(self._lock.lock_file).unlink(missing_ok=True)

    def known(self, number: int, messages: list[Message]) -> AnswerRecord | None:
        """Return the record of this prompt, if there is one with the same messages."""
        if number not in self._places:
            return None
        record = self._read(number)
        return record if record.messages == messages else None

    def add(self, record: AnswerRecord) -> None:
        """Write one record at once."""
        assert record.number is not None
        self._places[record.number] = self._stream.seek(0, os.SEEK_END)
        self._stream.write(f"{record.as_json()}\n".encode())
        self._stream.flush()

    def finish(self, total: int, *, text: bool, rows: Path | None = None) -> None:
        """Write the file, from prompt 1 to `total`.

        Args:
            text: whether it has the answers only, one a line; else JSON objects.
            rows: a file of rows, which are written with their answers in more columns.
        """
        with whole_file(self.file) as part:
            if rows is not None:
                write_answered(rows, part, total, self._read)
            else:
                with part.open("w", encoding="utf-8", newline="\n") as stream:
                    for number in range(1, total + 1):
                        record = self._read(number)
                        stream.write(f"{record.as_text() if text else record.as_json()}\n")
        self._stream.close()
        self.partial.unlink()

    def _read(self, number: int) -> AnswerRecord:
        self._stream.seek(self._places[number])
        return AnswerRecord(**json.loads(self._stream.readline()))

    def _resume(self, overwrite: bool) -> None:
        """Reuse the whole lines of an earlier run's file; cut off a last line that is not."""
        end = 0
        if self._stream.readline().rstrip() != self._head:
            if self._stream.readline() and not overwrite:
                raise ScaffoldError(
                    "An earlier run left answers of other settings, another form or another model.",
                    where=self.partial,
                    fix="the same command resumes that run; --overwrite drops its answers",
                )
        else:
            end = self._stream.tell()
            for line in self._stream:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    if line.endswith(b"\n"):
                        self._places[int(json.loads(line)["number"])] = end
                        end += len(line)
                        continue
                break
        self._stream.seek(end)
        self._stream.truncate()
        if not end:
            self._stream.write(self._head + b"\n")
            self._stream.flush()


def check_place(
    file: Path, source: Path | None, *, text: bool, overwrite: bool, rows: bool = False
) -> None:
    """Refuse an output file that could not be written, before anything is answered.

    Args:
        text: whether it gets the answers only.
        rows: whether it gets the rows of `source` with their answers.

    Raises:
        ScaffoldError: its folder is missing or cannot be written, it is a folder, it is the input,
            its ending is of another format, or it already exists and may not be replaced.
    """
    if (text and not rows and is_data_file(file.name)) or is_gz(file):
        raise ScaffoldError(
            f"Answers cannot be written as {file.suffix}.",
            where=file,
            fix="use the ending of --input for its rows with answers, .txt for text, or .jsonl for "
            "JSON lines",
        )
    if not file.absolute().parent.is_dir():
        raise ScaffoldError("The folder does not exist.", where=file, fix=f"mkdir -p {file.parent}")
    if not os.access(file.absolute().parent, os.W_OK):
        raise ScaffoldError("The folder cannot be written.", where=file, fix="choose another one")
    if file.is_dir():
        raise ScaffoldError("This is a folder.", where=file, fix="name a file in it")
    if file.exists() and not file.is_file():
        raise ScaffoldError("This is not a regular file.", where=file, fix="use | or > instead")
    if source is not None and file.exists() and source.exists() and file.samefile(source):
        raise ScaffoldError("The answers would replace the prompts.", where=file)
    if file.exists() and file.stat().st_size and not overwrite:
        raise ScaffoldError(
            "The file already exists.", where=file, fix="choose another name, or add --overwrite"
        )
