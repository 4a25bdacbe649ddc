"""`phi3scaffold VERB ...`: the table of verbs, each a module of `phi3scaffold.cli`."""

from __future__ import annotations

import sys

from phi3scaffold.cli import Verb, main

# The tasks by which `phi3scaffold --help` groups the verbs, in its order.
MAKE, TRAIN, ANSWER = "Make a project", "Train and measure", "Answer"
SHIP, KEEP_UP, CHECK = "Ship", "Keep up", "Check"
STAGE = "phi3scaffold.cli.stage"
# The shared options of a verb.
PROJECT, JSON, BOTH = ("project",), ("json",), ("project", "json")

JOB_VERBS = {
    "submit": Verb(
        "Submit the project as one job, follow it, and bring back its results.",
        "phi3scaffold.cli.job.submit",
        ("--dry-run", "--detach"),
        options=PROJECT,
        old_name="submit",
    ),
    "status": Verb(
        "Show the state of the job.",
        "phi3scaffold.cli.job.status",
        ("",),
        options=BOTH,
        old_name="status",
    ),
    "logs": Verb(
        "Show the output of the job.",
        "phi3scaffold.cli.job.logs",
        ("-f",),
        options=PROJECT,
        old_name="logs",
    ),
    "cancel": Verb(
        "Stop the job.", "phi3scaffold.cli.job.cancel", ("",), options=PROJECT, old_name="cancel"
    ),
    "fetch": Verb(
        "Bring back the results of the job.",
        "phi3scaffold.cli.job.fetch",
        ("", "merged"),
        options=PROJECT,
        old_name="fetch",
    ),
    "run": Verb(
        "Run the pipeline inside a job; fine-tuning/job.yml calls this.",
        "phi3scaffold.cli.job.run",
        ("--rows datasets --results out",),
        options=PROJECT,
        hidden=True,
        old_name="job",
    ),
}

VERBS = {
    "new": Verb(
        "Generate a project for your own data.",
        "phi3scaffold.cli.new",
        ("my-proj", "my-proj --data rows.csv --algo qlora --target cuda --defaults"),
        MAKE,
        first=True,
    ),
    "models": Verb(
        "List the base models.",
        "phi3scaffold.cli.models",
        ("", "--json"),
        MAKE,
        first=True,
        options=JSON,
    ),
    "migrate": Verb(
        "Generate a project from an old Olive config.",
        "phi3scaffold.cli.migrate",
        task=MAKE,
        options=JSON,
    ),
    "data": Verb(
        "Check and prepare the rows, and describe them.",
        "phi3scaffold.cli.data",
        ("", "--project ../my-proj --json"),
        TRAIN,
        first=True,
        options=BOTH,
    ),
    "run": Verb(
        "Run the whole pipeline, up to the report.",
        STAGE,
        ("", "--local   # on this machine's CPU, whatever the target"),
        TRAIN,
        first=True,
        options=PROJECT,
    ),
    "report": Verb(
        "Show what was trained, and how good it is.",
        "phi3scaffold.cli.report",
        task=TRAIN,
        first=True,
        options=PROJECT,
    ),
    "model": Verb(
        "Download the base model into model-cache/.", STAGE, ("",), TRAIN, options=PROJECT
    ),
    "finetune": Verb(
        "Train the adapter.", STAGE, ("", "--local", "--nproc 2"), TRAIN, options=PROJECT
    ),
    "merge": Verb(
        "Merge the adapter into the weights of the base model.",
        STAGE,
        ("",),
        TRAIN,
        options=PROJECT,
    ),
    "export": Verb(
        "Quantize the merged model and convert it to ONNX.",
        "phi3scaffold.cli.export",
        task=TRAIN,
        options=PROJECT,
    ),
    "adapters": Verb(
        "Export one ONNX base and adapters to swap over it.", STAGE, ("",), TRAIN, options=PROJECT
    ),
    "evaluate": Verb(
        "Measure every form of the model on the held-out rows.",
        "phi3scaffold.cli.evaluate",
        task=TRAIN,
        options=BOTH,
    ),
    "ui": Verb(
        "Show the tracked runs in MLflow's pages.",
        "phi3scaffold.cli.tracking_ui",
        task=TRAIN,
        options=PROJECT,
    ),
    "job": Verb("Run the pipeline as a job in the cloud.", task=TRAIN, verbs=JOB_VERBS),
    "infer": Verb(
        "Answer one prompt, or a file of them.",
        "phi3scaffold.cli.infer",
        task=ANSWER,
        first=True,
        options=BOTH,
    ),
    "chat": Verb(
        "Chat with the model in the terminal.",
        "phi3scaffold.cli.chat",
        task=ANSWER,
        first=True,
        options=PROJECT,
    ),
    "serve": Verb(
        "Serve an OpenAI-compatible API and a chat page.",
        "phi3scaffold.cli.serve",
        task=ANSWER,
        first=True,
        options=PROJECT,
    ),
    "publish": Verb(
        "Upload the released model to Hugging Face.",
        "phi3scaffold.cli.publish",
        task=SHIP,
        first=True,
        options=PROJECT,
    ),
    "update": Verb(
        "Update the project to the installed version.",
        "phi3scaffold.cli.update",
        task=KEEP_UP,
        first=True,
        options=BOTH,
    ),
    "completion": Verb(
        "Print the script that completes commands with TAB.",
        "phi3scaffold.cli.completion",
        task=KEEP_UP,
    ),
    "doctor": Verb(
        "Check this machine, for this project.",
        "phi3scaffold.cli.doctor",
        task=CHECK,
        first=True,
        options=BOTH,
    ),
    "lint": Verb(
        "Check the project's files.", "phi3scaffold.cli.lint", task=CHECK, first=True, options=BOTH
    ),
    "info": Verb(
        "Show versions, settings and artifacts.", "phi3scaffold.cli.info", task=CHECK, options=BOTH
    ),
}


def entry_point() -> None:
    """Run the console script `phi3scaffold`."""
    sys.exit(main(VERBS, sys.argv[1:]))


if __name__ == "__main__":
    entry_point()
