"""The source of many prompts: arguments, standard input or files, read one at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from phi3scaffold.datasets.conversations import OpenConversation, open_question, split_answer
from phi3scaffold.datasets.files import data_files
from phi3scaffold.datasets.formats import registry
from phi3scaffold.datasets.formats.byte_stream import Meter, open_bytes, readable, unpacked_name
from phi3scaffold.datasets.formats.json import json_lines_of
from phi3scaffold.datasets.formats.text import lines_of, refuse_other_kinds
from phi3scaffold.datasets.message_format import Messages
from phi3scaffold.datasets.normalization import ReadingOptions, normal_file
from phi3scaffold.datasets.reader import Reading, Row
from phi3scaffold.datasets.spec import load_spec
from phi3scaffold.inference.answer_record import AnswerRecord
from phi3scaffold.models.column_templates import Message, Tool
from phi3scaffold.models.prompt import WHOLE, Prompt
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import Project

TEXT = ".txt"
STANDARD_INPUT = Path("standard input")
Broken = Callable[[ScaffoldError], None]


class TextLine(NamedTuple):
    """A text that is a prompt as it stands, and its place."""

    place: str
    text: str


Source = Callable[[Broken], Iterator[TextLine | Row]]


@dataclass(frozen=True)
class PromptEntry:
    """One prompt; `AnswerRecord` has the same fields.

    Attributes:
        number: from 1; prompts that cannot be read have one, too.
        turns: the conversation to be answered; empty where there is an `error`.
        exact, tools: see `Request`.
    """

    number: int
    place: str
    turns: Sequence[Message] = ()
    exact: bool = False
    tools: tuple[Tool, ...] = ()
    expected: str | None = None
    id: Any = None
    error: ScaffoldError | None = None

    @property
    def record(self) -> AnswerRecord:
        return AnswerRecord(self.number, self.place, self.id, expected=self.expected)


class PromptSource:
    """Prompts that are read one at a time.

    Args:
        source: yields them; what cannot be read goes to the function that it is called with.
        again: whether `source` can be read more than once.
        project: whose dataset.yaml says how rows are written.

    Attributes:
        total: how many there are; None where that is unknown before the end.
    """

    def __init__(self, source: Source, *, again: bool, project: Project | None = None) -> None:
        self._source, self._messages = source, Messages("messages")
        self._history: str | None = None
        if project and project.dataset_yaml.is_file():
            spec = load_spec(project.dataset_yaml)
            self._messages, self._history = spec.messages or self._messages, spec.history
        self.total = sum(1 for _ in self._all()) if again else None

    def entries(self, prompt: Prompt) -> Iterator[PromptEntry]:
        """Yield all of them, for a model with `prompt`."""
        for number, (place, item) in enumerate(self._all(), 1):
            if isinstance(item, ScaffoldError):
                yield PromptEntry(number, place, error=item)
                continue
            if isinstance(item, TextLine):
                yield PromptEntry(number, place, _user(item.text))
                continue
            name = item.values.get("id")
            try:
                found, exact = self._open(item, prompt)
                turns, tools, expected = found.messages, found.tools, found.expected
                yield PromptEntry(number, place, turns, exact, tools, expected, name)
            except ScaffoldError as error:
                yield PromptEntry(number, place, id=name, error=error)

    def _open(self, row: Row, prompt: Prompt) -> tuple[OpenConversation, bool]:
        """Return the conversation to be answered, and whether it stands as the model reads it."""
        if self._messages.column in row.values:
            return split_answer(row, self._messages, prompt), prompt.user == WHOLE
        return open_question(row, self._history, prompt), True

    def _all(self) -> Iterator[tuple[str, TextLine | Row | ScaffoldError]]:
        """Yield prompts and errors, each with its place, in their order."""
        broken: deque[ScaffoldError] = deque()
        for item in self._source(broken.append):
            while broken:
                error = broken.popleft()
                yield error.where or "", error
            yield item.place, item
        for error in broken:
            yield error.where or "", error


def of_texts(texts: Sequence[str]) -> PromptSource:
    """Take each text as a prompt."""
    lines = [TextLine(f"prompt {number}", text) for number, text in enumerate(texts, 1)]
    return PromptSource(lambda broken: iter(lines), again=True)


def of_file(file: Path, project: Project) -> PromptSource:
    """Read a prompt from each line of a .txt, or from each row of another file.

    A row has the columns of the project's user turn, or a conversation in the column that
    dataset.yaml names, else in `messages`.

    Raises:
        ScaffoldError: it cannot be read, or not to its end; it is empty.
    """
    if not file.exists():
        raise ScaffoldError(
            "There is no such file.", where=file, fix="check --input; - is standard input"
        )
    if unpacked_name(file.name).endswith(TEXT):
        prompts = PromptSource(lambda broken: _lines_of_file(file, broken), again=True)
    else:
        if file.is_file() and not registry.is_data_file(file.name):
            raise ScaffoldError(
                "The file's ending names no known format.",
                where=file,
                fix=f"prompts, one a line: {TEXT}; rows: {registry.endings_text()}",
            )
        data_files([file])
        normal = file
        if registry.format_of(file).by_lines and registry.format_of(file).records:
            normal = normal_file(file, ReadingOptions(header=True)).path  # of any encoding
        prompts = PromptSource(
            lambda broken: iter(Reading([normal], broken)), again=True, project=project
        )
    if not prompts.total:
        raise ScaffoldError("The file holds no prompts.", where=file, fix="write one a line")
    return prompts


def of_stream(stream: IO[bytes], kind: str, project: Project) -> PromptSource:
    """Read prompts from an open stream, once: `kind` is ``txt`` or ``jsonl``."""

    def rows(broken: Broken) -> Iterator[Row]:
        for line, values in json_lines_of(stream, STANDARD_INPUT, broken):
            yield Row(STANDARD_INPUT, line, values)

    def lines(broken: Broken) -> Iterator[TextLine]:
        return _lines(stream, STANDARD_INPUT, broken)

    source: Source = lines if kind == "txt" else rows
    return PromptSource(source, again=False, project=project)


def _lines_of_file(file: Path, broken: Broken) -> Iterator[TextLine]:
    with readable(file), open_bytes(file, Meter()) as stream:
        refuse_other_kinds(file, stream)
        yield from _lines(stream, file, broken)


def _lines(stream: IO[bytes], file: Path, broken: Broken) -> Iterator[TextLine]:
    """Yield the lines that are not empty."""
    for number, text in lines_of(stream, file, broken):
        if text.strip():
            yield TextLine(f"{file}:{number}", text)


def _user(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]
