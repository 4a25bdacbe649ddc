"""Bad rows: what is read, and cannot become a conversation."""

from __future__ import annotations

from tests.datasets.bad import (
    CHAT,
    CLASSIFY,
    PAIRS,
    QA,
    SHAREGPT,
    TONES,
    TURNS,
    Case,
    lines,
    value,
)

VALUES = [
    value("a list", {"question": ["a"], "answer": "b"}, "a list, not text", "a column of its own"),
    value("an object", {"question": "a", "answer": {"text": ["b"]}}, "an object, not",
        "of its own"),
    value("a near name", {"questions": "a", "answer": "b"}, "'question'", "mean 'questions'?"),
    value("a capital", {"Question": "a", "answer": "b"}, "lacks the column", "mean 'Question'?"),
    value("a missing column", {"question": "a"}, "'answer'; it has: question", "correct the row"),
    value("no columns", {}, "it has: none", "correct the row"),
    value("a label nearly right", {"phrase": "a", "tone": "jou"}, "'jou'", "mean 'joy'?", CLASSIFY),
    value("a label's capital", {"phrase": "a", "tone": "Joy "}, "'Joy '", "mean 'joy'?", CLASSIFY),
    value("another label", {"phrase": "a", "tone": "calm"}, "joy, fear", "add the label", CLASSIFY),
    value("a number as a label", {"phrase": "a", "tone": 1}, "label '1' is not", "add the label",
        CLASSIFY),
]  # fmt: skip

TALK = [
    value("no list", {"messages": "Hi"}, "text, not a list of turns", '"role": "user"', CHAT),
    value("null", {"messages": None}, "null, not a list of turns", '"role": "user"', CHAT),
    value("no turns", {"messages": []}, "has no turns", "remove the row", CHAT),
    value("a near column", {"message": TURNS}, "'messages'", "mean 'message'? Correct mess", CHAT),
    value("a turn of text", {"messages": ["Hi"]}, "The turn is text", '"role": "user"', CHAT, 1),
    value("no role", {"messages": [{"content": "a"}]}, "lacks 'role'", '"role": "user"', CHAT, 1),
    value("a near key", {"messages": [{"roles": "user"}]}, "lacks 'role'", "'roles'?", CHAT, 1),
    value("no content", {"messages": [{"role": "user"}]}, "lacks 'content'", "correct", CHAT, 1),
    value("a tool", {"messages": [TURNS[0], {"role": "tool", "content": "a"}]},
        "this one is tool, not assistant", "remove the row", CHAT, 2),
    value("a number as role", {"messages": [{"role": 1, "content": "a"}]}, "Unknown speaker 1",
        "messages.names", CHAT, 1),
    value("a part of no text", {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "has no text", "remove the part", CHAT, 1),
    value("only the user", {"messages": [TURNS[0]] * 2}, "no assistant turn",
        "add the answer", CHAT),
    value("a tool first", {"messages": [{"role": "tool", "content": "7"}, *TURNS]},
        "this one is tool, not user", "remove the row", CHAT, 1),
    value("only a system turn", {"messages": [{"role": "system", "content": "a"}]}, "has no turns",
        "remove the row", CHAT),
    value("an unknown speaker", {"conversations": [{"from": "bing", "value": "a"}]},
        "'bing'; known are: human, gpt", "messages.names", SHAREGPT, 1),
    value("OpenAI's keys", {"conversations": TURNS}, "lacks 'from'; it has: role, content",
        "correct messages", SHAREGPT, 1),
    value("a near column of ShareGPT", {"conversation": []}, "'conversations'",
        "mean 'conversation'?", SHAREGPT),
    value("an object said", {"conversations": [{"from": "human", "value": {"a": 4}}]},
        "an object, not text", "write its text", SHAREGPT, 1),
]  # fmt: skip

SIDES = [
    Case("one row", "rows.jsonl", lines(PAIRS[:1]), "No row is left for", ": files.held_out",
        "add rows"),
    Case("one label", "rows.jsonl", lines([{**row, "tone": "joy"} for row in TONES]),
        "the same label, 'joy'", "rows.jsonl", "at least one other label", CLASSIFY),
    Case("all the same", "rows.jsonl", lines(PAIRS[:1] * 4), "3 dropped", ": files.held_out",
        "add rows"),
    Case("only empty answers", "rows.jsonl", lines([{"question": "a", "answer": " "}] * 4),
        "4 dropped: empty answer", ": files.train", "add rows"),
    Case("only empty prompts", "rows.jsonl", lines([{"question": None, "answer": "a"}] * 4),
        "4 dropped: empty prompt", ": files.train", "add rows"),
    Case("nothing is short enough", "rows.jsonl", lines(PAIRS), "3 dropped: longer than 2 tokens",
        ": files.train", "add rows", QA + "max_tokens: 2\n"),
    Case("held-out rows that are trained on", "rows.jsonl", lines(PAIRS),
        "No row is left for held_out", ": files.held_out", "add rows",
        QA.replace("0.25", "[again.jsonl]")),
    Case("broken held-out rows", "rows.jsonl", lines(PAIRS), "lacks the column 'answer'",
        "bad.jsonl:2", "correct the row", QA.replace("0.25", "[bad.jsonl]")),
]  # fmt: skip

# What the last two refer to.
ALSO = {
    "again.jsonl": lines(PAIRS),
    "bad.jsonl": lines([{"question": "x", "answer": "y"}, {"question": "z"}]),
}
