"""`phi3scaffold VERB ...`: the table of verbs, each a module of `phi3scaffold.cli`."""

from __future__ import annotations

import sys

from phi3scaffold.cli import Verb, main

# The tasks by which `phi3scaffold --help` groups the verbs, in its order.
MAKE, TRAIN, USE = "Make a project", "Train and measure", "Use the model"
SHIP, MAINTAIN, CHECK = "Ship", "Maintain", "Check"

# Examples of verbs whose modules have none of their own.
NEW = ("my-proj", "my-proj --data rows.csv --algo qlora --target cuda --defaults")
RUN = ("", "--local   # on this machine's CPU, whatever the target")

JOB_VERBS = {
    "submit": Verb(
        "Submit the project as one job, follow it, and download its results.",
        "job.submit",
        examples=("--dry-run", "--detach"),
        old_name="submit",
    ),
    "status": Verb("Show the state of the job.", "job.status", json=True, old_name="status"),
    "logs": Verb("Show the output of the job.", "job.logs", examples=("-f",), old_name="logs"),
    "cancel": Verb("Stop the job.", "job.cancel", old_name="cancel"),
    "fetch": Verb(
        "Download the results of the job.",
        "job.fetch",
        examples=("", "merged"),
        old_name="fetch",
    ),
    "run": Verb(
        "Run the pipeline inside a job; fine-tuning/job.yml calls this.",
        "job.run",
        examples=("--rows datasets --results out",),
        hidden=True,
        old_name="job",
    ),
}
VERBS = {
    "new": Verb(
        "Generate a project for your own data.",
        "new",
        MAKE,
        first=True,
        examples=NEW,
        project=False,
    ),
    "models": Verb(
        "List the base models.",
        "models",
        MAKE,
        first=True,
        examples=("", "--json"),
        project=False,
        json=True,
    ),
    "migrate": Verb(
        "Generate a project from an old Olive config.", "migrate", MAKE, project=False, json=True
    ),
    "data": Verb(
        "Check and prepare the rows, and describe them.",
        "data",
        TRAIN,
        first=True,
        examples=("", "--project ../my-proj --json"),
        json=True,
    ),
    "run": Verb(
        "Run the whole pipeline, up to the report.", "run", TRAIN, first=True, examples=RUN
    ),
    "plan": Verb(
        "Say how long a run will take, and how much memory and disk.",
        "plan",
        TRAIN,
        examples=("", "--price 3.67   # an hour of the cloud's machine", "--json"),
        json=True,
    ),
    "report": Verb("Show what was trained, and how good it is.", "report", TRAIN, first=True),
    "set": Verb("Change settings of the project by name.", "set", TRAIN, own_help=True),
    "model": Verb("Download the base model into model-cache/.", "stage", TRAIN),
    "finetune": Verb("Train the adapter.", "stage", TRAIN, examples=("", "--local", "--nproc 2")),
    "merge": Verb("Merge the adapter into the weights of the base model.", "stage", TRAIN),
    "export": Verb("Quantize the merged model and convert it to ONNX.", "export", TRAIN),
    "optimize": Verb(
        "Find the best quantization within the limits, and set it.",
        "optimize",
        TRAIN,
        examples=("--goal closest", "--goal smallest --budget 30"),
    ),
    "adapters": Verb(
        "Export one ONNX base with adapters that can be swapped at run time.", "stage", TRAIN
    ),
    "evaluate": Verb(
        "Measure every form of the model on the held-out rows.", "evaluate", TRAIN, json=True
    ),
    "runs": Verb(
        "Compare the tracked runs.",
        "runs",
        TRAIN,
        json=True,
        verbs={
            "diff": Verb("Show all that differs between two tracked runs.", "runs_diff", json=True)
        },
    ),
    "ui": Verb("Show the tracked runs in the MLflow UI.", "tracking_ui", TRAIN),
    "job": Verb("Run the pipeline as a job in the cloud.", task=TRAIN, verbs=JOB_VERBS),
    "infer": Verb("Answer one prompt, or a file of them.", "infer", USE, first=True, json=True),
    "chat": Verb("Chat with the model in the terminal.", "chat", USE, first=True),
    "serve": Verb("Serve an OpenAI-compatible API and a chat page.", "serve", USE, first=True),
    "publish": Verb("Upload the released model to Hugging Face.", "publish", SHIP, first=True),
    "update": Verb(
        "Update the project to the installed version.", "update", MAINTAIN, first=True, json=True
    ),
    "completion": Verb(
        "Print the script that completes commands with TAB.", "completion", MAINTAIN, project=False
    ),
    "clean": Verb("Remove results that a run makes again.", "clean", MAINTAIN),
    "doctor": Verb("Check this machine, for this project.", "doctor", CHECK, first=True, json=True),
    "lint": Verb("Check the project's files.", "lint", CHECK, first=True, json=True),
    "info": Verb("Show versions, settings and artifacts.", "info", CHECK, json=True),
}


def entry_point() -> None:
    """Run the console script `phi3scaffold`."""
    sys.exit(main(VERBS, sys.argv[1:]))


if __name__ == "__main__":
    entry_point()
