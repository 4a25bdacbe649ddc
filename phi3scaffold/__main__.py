"""`phi3scaffold VERB ...`: the table of verbs, each a module of `phi3scaffold.cli`."""

from __future__ import annotations

import sys

from phi3scaffold.cli import Verb, main

VERBS = {
    "new": Verb(
        "phi3scaffold.cli.new",
        "make a project",
        ("my-proj", "my-proj --data rows.csv --algo qlora --target cuda --defaults"),
    ),
    "migrate": Verb("phi3scaffold.cli.migrate", "make a project of an old Olive config"),
    "doctor": Verb("phi3scaffold.cli.doctor", "say what is wrong with this machine or project"),
    "update": Verb(
        "phi3scaffold.cli.update", "bring a project to the installed version, edits kept"
    ),
    "models": Verb("phi3scaffold.cli.models", "list the models it knows", ("", "--json")),
    "data": Verb(
        "phi3scaffold.cli.data",
        "check and prepare the rows, and show what they are",
        ("", "--project ../my-proj"),
    ),
    "model": Verb("phi3scaffold.cli.stage", "fetch the base model into model-cache/", ("",)),
    "finetune": Verb("phi3scaffold.cli.stage", "train the adapter", ("", "--local", "--nproc 2")),
    "merge": Verb("phi3scaffold.cli.stage", "fold the adapter into the weights", ("",)),
    "export": Verb("phi3scaffold.cli.export", "quantize and convert to ONNX"),
    "adapters": Verb(
        "phi3scaffold.cli.stage", "make one ONNX base with adapters to swap over it", ("",)
    ),
    "evaluate": Verb("phi3scaffold.cli.evaluate", "measure every form on the held-out rows"),
    "report": Verb("phi3scaffold.cli.report", "what was made and how good it is, as a page"),
    "run": Verb(
        "phi3scaffold.cli.stage",
        "everything, up to the report",
        ("", "--local   # on this CPU, whatever the target"),
    ),
    "ui": Verb("phi3scaffold.cli.tracking_ui", "the tracked runs, in the web browser"),
    "lint": Verb("phi3scaffold.cli.lint", "is the project still sound"),
    "infer": Verb("phi3scaffold.cli.infer", "answer one prompt, or thousands"),
    "chat": Verb("phi3scaffold.cli.chat", "talk to the model in the terminal"),
    "serve": Verb("phi3scaffold.cli.serve", "answer OpenAI's clients over HTTP"),
    "publish": Verb("phi3scaffold.cli.publish", "the forms and their card to the hub"),
    "submit": Verb(
        "phi3scaffold.cli.submit",
        "Azure: one job for the project, followed to its end",
        ("--dry-run", "--detach"),
    ),
    "status": Verb("phi3scaffold.cli.status", "Azure: how the job is", ("",)),
    "logs": Verb("phi3scaffold.cli.logs", "Azure: what the job says", ("-f",)),
    "cancel": Verb("phi3scaffold.cli.cancel", "Azure: stop the job", ("",)),
    "fetch": Verb("phi3scaffold.cli.fetch", "Azure: bring back what the job made", ("", "merged")),
    "job": Verb(
        "phi3scaffold.cli.job",
        "Azure: what the job itself runs",
        ("--rows datasets --results out",),
    ),
    "info": Verb("phi3scaffold.cli.info", "versions, settings, and what was made"),
    "completion": Verb("phi3scaffold.cli.completion", "print what completes verbs at TAB"),
}


def entry_point() -> None:
    """Console script `phi3scaffold`."""
    sys.exit(main(VERBS, sys.argv[1:]))


if __name__ == "__main__":
    entry_point()
