"""The file of a model's chat template: checked before anything is trained, and settled.

Settled means that it writes the same today and tomorrow, and that the model answers without
thinking aloud first: rows hold answers and no thoughts.

Jinja alone is asked, in the environment that transformers gives a template, so that `new` and
`lint` can look at one without importing transformers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from phi3scaffold.models.column_templates import Message, Tool
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.files import read_json, read_small, write_json, write_whole

JINJA = "chat_template.jinja"
SETTINGS = "tokenizer_config.json"
PROCESSORS = "chat_template.json"  # transformers reads it for images and sound only
KEY = "chat_template"
# The day that a template's date becomes: the one that Llama's own templates fall back to.
PINNED = datetime(2024, 7, 26)
DAY = "26 July 2024"
THINKING = "enable_thinking"  # what the templates of models that can think ask for
NO_THINKING = f"{{% set {THINKING} = false %}}\n"
# A test that ONNX Runtime GenAI's Jinja does not know, of what is false from there on.
IS_FALSE = re.compile(rf"\b{THINKING}\s+is\s+(?P<no>not\s+)?(?P<what>true|false)\b")
NOW = re.compile(r"""strftime_now\(\s*(?P<quote>["'])(?P<format>[^"'\\]*)(?P=quote)\s*\)""")
IN_TEMPLATE = "<template>"  # the file name in tracebacks
MOST_TEMPLATE = 2_000_000  # bytes; the catalogue's longest has 12,000
MOST_POWER, MOST_LENGTH = 1000, 1_000_000
INSTRUCT = "use the instruct version of the model, or its original tokenizer and chat template"


@dataclass(frozen=True)
class ChatTemplate:
    """The template that transformers uses.

    Attributes:
        path: the file that it stands in.
        text: the template itself.
        tokens: the special tokens that it may name, such as ``eos_token``.
    """

    path: Path
    text: str
    tokens: Mapping[str, str]

    @property
    def where(self) -> str:
        return str(self.path) if self.path.name == JINJA else f"{self.path}: {KEY}"

    def at(self, line: int | None) -> str:
        """Return a line's place for a message; the file's where it is not known."""
        if not line:
            return self.where
        return f"{self.where}{':' if self.path.name == JINJA else ', line '}{line}"

    def render(
        self, turns: Sequence[Message], *, to_answer: bool, tools: Sequence[Tool] = ()
    ) -> str:
        """Return the turns as text. Raises ScaffoldError where the template cannot write them."""
        from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError
        from jinja2.exceptions import SecurityError

        definitions = list(tools) or None
        options = {"tools": definitions, "documents": None, "add_generation_prompt": to_answer}
        try:
            values = {"messages": list(turns), **options, **self.tokens}
            return str(_compiled(self.text).render(values))
        except TemplateSyntaxError as error:
            what = f"The chat template is not valid Jinja: {(error.message or '').rstrip('.')}."
            raise ScaffoldError(what, where=self.at(error.lineno), fix=INSTRUCT) from None
        except UndefinedError as error:
            raise ScaffoldError(
                f"The chat template needs a variable that is not set: {error.message}.",
                where=self.where,
                fix=f"{INSTRUCT}; or set the variable in it",
            ) from None
        except SecurityError as error:
            raise ScaffoldError(
                f"The chat template does what templates may not do: {str(error).rstrip('.')}.",
                where=self.at(_line_of(error)),
                fix=INSTRUCT,
            ) from None
        except (MemoryError, RecursionError) as error:
            raise self.costs_too_much("memory", _line_of(error)) from None
        except (TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
            raise refused_turns(str(error), turns, self.where) from None
        except ArithmeticError as error:
            raise refused_turns(str(error), turns, self.at(_line_of(error))) from None

    def costs_too_much(self, what: str, line: int | None) -> ScaffoldError:
        """Return the error for a template that takes too much of something."""
        return ScaffoldError(
            f"The chat template takes too much {what} for a question and its answer.",
            where=self.at(line),
            fix=INSTRUCT,
        )


def _line_of(error: BaseException) -> int | None:
    """Return the line of a template that raised an error, where it is known."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == IN_TEMPLATE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def refused_turns(reason: str, turns: Sequence[Message], where: str | None) -> ScaffoldError:
    """Return the error for turns that a template does not write, by its own reason."""
    reason = (reason.strip().splitlines() or ["no reason given"])[0]
    reason = re.sub(r" at row \d+, column \d+:$", "", reason).rstrip(".")  # GenAI's own place
    has_system = bool(turns) and turns[0]["role"] == "system"
    return ScaffoldError(
        f"The model's chat template refuses {'a system turn' if has_system else 'these turns'}: "
        f"{reason}.",
        where=where,
        fix="leave the system text out, or write it into the user turn" if has_system else INSTRUCT,
    )


def read_template(folder: Path) -> ChatTemplate:
    """Return the chat template of a model folder.

    Raises:
        ScaffoldError: it has none, or not one that a conversation can be written with.
    """
    settings_file, file = folder / SETTINGS, folder / JINJA
    settings = read_json(settings_file) if settings_file.exists() else {}
    tokens = {
        key: value["content"] if isinstance(value, dict) else value
        for key, value in settings.items()
        if key.endswith("_token") and isinstance(value, (str, dict))
    }
    if file.is_file():
        try:
            return ChatTemplate(file, read_small(file, MOST_TEMPLATE), tokens)
        except UnicodeDecodeError:
            raise ScaffoldError(
                "The chat template is not UTF-8.", where=file, fix="copy it again"
            ) from None
    found = settings.get(KEY)
    if isinstance(found, list):  # several, by name
        named = {one.get("name"): one.get("template") for one in found if isinstance(one, dict)}
        found = named.get("default")
        if not found:
            raise ScaffoldError(
                "The model's tokenizer has several chat templates, and none is named default.",
                where=f"{settings_file}: {KEY}",
                fix=f"save the one to use as {JINJA} beside it",
            )
    if isinstance(found, str) and found:
        return ChatTemplate(settings_file, found, tokens)
    if (folder / PROCESSORS).is_file():
        raise ScaffoldError(
            f"The chat template is in {PROCESSORS}, which is read only for images and sound.",
            where=folder / PROCESSORS,
            fix=f"save its text as {JINJA} beside it",
        )
    raise ScaffoldError(
        "The model's tokenizer has no chat template, so its prompts cannot be written.",
        where=settings_file,
        fix=f"use the instruct version of the model, or add a {JINJA}",
    )


def pinned(text: str) -> str:
    """Return a template with `PINNED` in the place of today's date."""

    def write(match: re.Match[str]) -> str:
        return json.dumps(PINNED.strftime(match["format"]), ensure_ascii=False)

    return NOW.sub(write, text) if asks_for_date(text) else text


def settled(text: str) -> str:
    """Return a template with its date pinned and without thinking."""

    def decide(match: re.Match[str]) -> str:
        return str((match["what"] == "false") is not bool(match["no"])).lower()

    if asks_for_thinking(text):
        text = NO_THINKING + IS_FALSE.sub(decide, text)
    return pinned(text)


def template_notes(folder: Path) -> list[str]:
    """Return what a user should know about the template of a model folder, a sentence each."""
    text, notes = read_template(folder).text, []
    if asks_for_date(text):
        notes.append(
            f"the model's chat template writes today's date; the project's copy always writes {DAY}"
            ", so that training and answers see the same prompt"
        )
    if asks_for_thinking(text):
        notes.append(
            "the model can think before it answers; the project's copy of its chat template "
            "switches that off, for training and for answers alike"
        )
    notes += [
        f"the model's chat template uses the variable {name!r}, which is not set, so nothing is "
        f"written there; to set it, begin the template with {{% set {name} = '...' %}}"
        for name in _unset_variables(text)
    ]
    return notes


def settle_template(folder: Path) -> list[str]:
    """Settle the template of a fetched folder, its own copy; return its `template_notes`.

    Where the template stands in two files, ONNX Runtime GenAI reads the one that transformers does
    not: both get the same text. A file is replaced, never written through, for it may be a hard
    link to the user's own.
    """
    template, notes = read_template(folder), template_notes(folder)
    text = settled(template.text)
    settings_file = folder / SETTINGS
    settings = read_json(settings_file) if settings_file.exists() else {}
    if template.path == settings_file:
        changed = text != template.text
    else:
        changed = isinstance(settings.get(KEY), str) and settings[KEY] != text
        if text != template.text:
            write_whole(template.path, text)
    if changed:
        write_json(settings_file, {**settings, KEY: text}, indent=2)
    return notes


def asks_for_date(text: str) -> bool:
    """Return whether the template uses strftime_now otherwise than to ask whether it is there."""
    from jinja2 import TemplateError, nodes

    try:
        tree = environment().parse(text)
    except TemplateError:
        return False
    tested = {id(test.node) for test in tree.find_all(nodes.Test)}
    return any(
        name.name == "strftime_now" and id(name) not in tested for name in tree.find_all(nodes.Name)
    )


def asks_for_thinking(text: str) -> bool:
    """Return whether the template leaves it to its caller whether the model thinks."""
    from jinja2 import TemplateError, meta

    try:
        return THINKING in meta.find_undeclared_variables(environment().parse(text))
    except TemplateError:
        return False


def _unset_variables(text: str) -> list[str]:
    """Return the variables that the template writes as they are, and that no call sets."""
    from jinja2 import TemplateError, meta, nodes

    try:
        tree = environment().parse(text)
    except TemplateError:
        return []
    known = {"messages", "tools", "documents", "add_generation_prompt", *environment().globals}
    unset = meta.find_undeclared_variables(tree) - known
    written = (one for output in tree.find_all(nodes.Output) for one in output.nodes)
    names = {one.name for one in written if isinstance(one, nodes.Name)}
    tested = {
        test.node.name for test in tree.find_all(nodes.Test) if isinstance(test.node, nodes.Name)
    }
    return sorted(name for name in names & unset - tested if not name.endswith("_token"))


@lru_cache(maxsize=8)
def _compiled(text: str) -> Any:
    """Return a template, compiled once: that takes longer than writing a row with it."""
    return environment().from_string(text)


def environment() -> Any:
    """Return the environment that transformers gives a chat template."""
    from jinja2 import TemplateError, nodes
    from jinja2.exceptions import SecurityError
    from jinja2.ext import Extension
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """The block that marks an answer; it writes what stands in it."""

        tags = {"generation"}  # noqa: RUF012 (as Jinja declares it)

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def as_json(value: Any, **options: Any) -> str:
        return json.dumps(value, **{"ensure_ascii": False, **options})

    class Bounded(ImmutableSandboxedEnvironment):
        """The sandbox, in which no operator makes a value of gigabytes."""

        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            sizes = [len(one) if hasattr(one, "__len__") else one for one in (left, right)]
            if operator == "**" and max(map(abs, sizes)) > MOST_POWER:
                raise SecurityError(f"a power of more than {MOST_POWER:,}")
            if operator == "*" and sizes != [left, right] and sizes[0] * sizes[1] > MOST_LENGTH:
                raise SecurityError(f"a text or list of more than {MOST_LENGTH:,} items")
            return super().call_binop(context, operator, left, right)

    made = Bounded(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    made.filters["tojson"] = as_json
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = PINNED.strftime
    return made
