"""Bad dataset.yaml files."""

from __future__ import annotations

import json

from tests.datasets.bad import CHAT, CLASSIFY, GOOD, QA, SHAREGPT, Case, key

FILES_OF = "files: {train: [FILE], held_out: 0.25}"
TURNS_OF = 'turns: [{user: "{question}"}, {assistant: "{answer}"}]'


def instead(old: str, new: str, of: str = QA) -> str:
    assert old in of
    return of.replace(old, new)


def train(*names: str) -> str:
    return instead("[FILE]", json.dumps(names))


def validation(value: str) -> str:
    return instead("held_out:", f"validation: {value}, held_out:")


OUTSIDE = "copy the file into that folder"
YAML = [
    key("bad syntax", instead("turns: [", "turns: [["), ":4", "Not valid YAML", "correct"),
    key("a tab", "task: qa\n\tfiles: x\n", ":2", "Not valid YAML", "correct"),
    key("a control character", QA + "system: \x01\n", "", "Not valid YAML", "correct"),
    key("a date that is none", QA + "system: 2024-13-45\n", "", "Not valid YAML", "correct"),
    key("an empty file", "", "", "must be a mapping", "KEY: VALUE"),
    key("a list", "- task: qa\n", "", "must be a mapping", "KEY: VALUE"),
    key("an unknown key", QA + "max_token: 3\n", ": max_token", "Unknown key", "mean max_tokens?"),
    key("a far key", QA + "columns: 3\n", ": columns", "Unknown key", "known keys: task, files"),
    key("another task", instead("qa", "sort"), ": task", "'sort'", "classify, qa, chat"),
    key("no task", instead("task: qa\n", ""), ": task", "None", "classify, qa, chat"),
    key("no files", instead(FILES_OF, ""), ": files", "files are missing", "train: [rows.jsonl]"),
    key("files as a list", instead(FILES_OF, "files: [a]"), ": files", "missing", "train: [rows.j"),
    key("a near split", instead("held_out", "heldout"), ": files.heldout", "Unknown", "held_out?"),
    key("a number as file", instead("[FILE]", "7"), ": files.train", "list of file",
        "[rows.jsonl]"),
    key("an empty name", train(""), ": files.train", "list of file names", "[rows.jsonl]"),
    key("no names", train(), ": files.train", "list of file names", "[rows.jsonl]"),
    key("a file twice", train("a.csv", "a.csv"), ": files.train", "a.csv is given twice", "once"),
    key("a file above", train("../rows.jsonl"), ": files.train", "lies outside", OUTSIDE),
    key("a file elsewhere", train("/etc/hosts"), ": files.train", "lies outside", OUTSIDE),
    key("a roundabout way out", train("a/../../x.csv"), ": files.train", "lies outside", OUTSIDE),
    key("a NUL in a name", train("a\0.csv"), ": files.train", "NUL character", "remove it"),
    key("a hub address cut short", train("hf://datasets/a/b@main/c.csv"), ": files.train",
        "not a complete address", "the commit in full"),
    key("all held out", instead("0.25", "1"), ": files.held_out", "between 0 and 1", "0.2, or a"),
    key("none held out", instead("0.25", "0"), ": files.held_out", "between 0 and 1", "0.2, or a"),
    key("held out: true", instead("0.25", "true"), ": files.held_out", "list of", "[rows.jsonl]"),
    key("validation: none", validation("none"), ": files.validation", "'none'", "null for"),
    key("all validate", validation("1"), ": files.validation", "between 0 and 1", "null for none"),
    key("validation: true", validation("true"), ": files.validation", "auto, a share", "null for"),
    key("none to train", validation("0.75"), ": files.validation", "leaves none to train", "0.1"),
    key("an empty validation", validation("[]"), ": files.validation", "list of", "[rows.jsonl]"),
    key("validation twice", validation("[a.csv, a.csv]"), ": files.validation", "twice", "once"),
    key("one turn", instead(TURNS_OF, 'turns: [{user: "{question}"}]'), ": turns",
        "a user turn and", 'assistant: "{answer}"'),
    key("another role", instead("assistant:", "bot:"), ": turns[1]", "the assistant's turn",
        "assistant:"),
    key("two keys in a turn", instead('"}, {a', '", a'), ": turns", "a user turn and",
        "assistant:"),
    key("no column", instead("{answer}", "yes"), ": turns[1].assistant", "no {column}",
        '"{answer}"'),
    key("no turns", instead(TURNS_OF, ""), ": turns", "a user turn and", 'assistant: "{answer}"'),
    key("turns and messages", QA + "messages: m\n", ": turns", "Both turns and", "remove one"),
    key("a number of messages", instead("messages: messages", "messages: 3", CHAT), ": messages",
        "names a column", "messages: {column"),
    key("messages without a column", instead("column: conversations, ", "", SHAREGPT),
        ": messages.column", "must be a name", "column: conversations"),
    key("a near key of messages", instead("names", "name", SHAREGPT), ": messages.name",
        "Unknown key", "mean names?"),
    key("an unknown role", instead("human: user", "human: me", SHAREGPT), ": messages.names.human",
        "'me'", "system, user, assistant"),
    key("names as a list", instead("{human: user, gpt: assistant}", "[human]", SHAREGPT),
        ": messages.names", "must be a mapping", "names: {human: user}"),
    key("messages to classify", instead("chat", "classify", CHAT), ": messages", "has turns",
        "turns:"),
    key("labels of text", instead("[joy, fear]", "joy", CLASSIFY), ": labels", "list of diff",
        "[joy"),
    key("no labels", instead("labels: [joy, fear]", "", CLASSIFY), ": labels", "list of",
        "[joy, fe"),
    key("one label", instead("[joy, fear]", "[joy]", CLASSIFY), ": labels", "two labels",
        "[joy, fe"),
    key("a label twice", instead("[joy, fear]", "[joy, joy]", CLASSIFY), ": labels", "list of diff",
        "[joy, fear]"),
    key("yes and no", instead("[joy, fear]", "[yes, no]", CLASSIFY), ": labels[0]", "as True",
        "quotes"),
    key("an empty label", instead("[joy, fear]", '["", a]', CLASSIFY), ": labels[0]", "''",
        "quotes"),
    key("a list as system text", QA + "system: [a]\n", ": system", "must be text", "in quotes"),
    key("no room", QA + "max_tokens: 0\n", ": max_tokens", "at least 1, not 0", "max_tokens: 512"),
    key("a word for a number", QA + "max_tokens: many\n", ": max_tokens", "'many'", "512"),
    key("half a seed", QA + "seed: 0.5\n", ": seed", "not 0.5", "seed: 42"),
    key("long rows", QA + "long_rows: cut\n", ": long_rows", "'cut'", "drop, truncate"),
    Case("a missing file", "rows.jsonl", GOOD, "does not exist", "other.jsonl", "put it there",
        train("other.jsonl")),
    Case("a way through a file", "rows.jsonl", GOOD, "leads through a file", "rows.jsonl/x.csv",
        "name a file that exists", train("rows.jsonl/x.csv")),
]  # fmt: skip
