"""`phi3scaffold publish`: the forms and their card to the Hugging Face hub."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from phi3scaffold.cli.ui import progress
from phi3scaffold.cli.ui.progress import bytes_text
from phi3scaffold.cli.ui.terminal import from_here
from phi3scaffold.inference.forms.kinds import PUBLISHED
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import decimal_size
from phi3scaffold.project.settings import DEMONSTRATION

if TYPE_CHECKING:
    from phi3scaffold.publishing.file_list import FileToPublish, Publication
    from phi3scaffold.publishing.hub_upload import UploadPlan

EPILOG = """examples:
  phi3scaffold publish --dry-run                      # what would go up; asks nobody
  phi3scaffold publish me/my-model                    # the ONNX form, for you alone
  phi3scaffold publish me/my-model --forms onnx adapter
  phi3scaffold publish me/my-model --public

The token comes from `hf auth login` or HF_TOKEN. What was ended goes on when it is typed again.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument(
        "repo",
        nargs="?",
        metavar="OWNER/NAME",
        help="the repository; made where there is none (default: the project's name, of whom the "
        "token belongs to)",
    )
    parser.add_argument(
        "--forms",
        nargs="+",
        choices=PUBLISHED,
        default=["onnx"],
        metavar="FORM",
        help=f"which go up, each a folder there, of {', '.join(PUBLISHED)} (default: onnx, the one "
        "that ships)",
    )
    seen = parser.add_mutually_exclusive_group()
    seen.add_argument(
        "--private",
        action="store_true",
        help="for you, or your organization, alone: the default; a repository that is public "
        "already is refused",
    )
    seen.add_argument("--public", action="store_true", help="everybody may see it")
    parser.add_argument(
        "--with-data",
        action="store_true",
        help="the rows, too: dataset.yaml and the files that it names",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace also what somebody else has changed there, such as a README edited by hand",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check and show what would go up; send nothing"
    )


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.pipeline import environment
    from phi3scaffold.project.settings import find_project

    environment.prepare()
    from phi3scaffold.pipeline.runner import only_run
    from phi3scaffold.publishing import hub_upload
    from phi3scaffold.publishing.file_list import gather

    project = find_project(args.project)
    repo = args.repo or re.sub(r"[^\w.-]+", "-", project.root.name).strip("-.")
    hub_upload.check_name(repo)
    if not args.dry_run:
        hub_upload.check_login()
    if not (project.gen / "release").is_dir():  # before a lock makes gen-model/
        raise ScaffoldError(
            "Nothing was made yet, or nobody has looked at the gate.",
            where=project.gen,
            fix="phi3scaffold run",
        )
    with only_run(project):  # nothing may be made anew while it goes up
        print("comparing the files with their manifests", flush=True)
        found = gather(project, args.forms, with_data=args.with_data)
        if args.dry_run:
            whole = repo if "/" in repo else f"YOU/{repo}"
            _show(found.described(whole), None)
            print(f"would go to {whole}, {_seen(not args.public)}; nothing was sent")
            return 0
        target = hub_upload.look(found, repo, public=args.public, overwrite=args.overwrite)
        _show(target.publication, target)
        with progress.show() as display:
            display.start("sending")
            page = hub_upload.send(
                target,
                lambda what, done: display.update(
                    done, target.size, bytes_text(what, done, target.size)
                ),
            )
    if args.public and target.private:
        print(f"it is private, and stays so; to let everybody see it: {page}/settings")
    print(f"{'published' if target.missing or target.goes else 'nothing new'}: {page}")
    return 0


def _seen(private: bool) -> str:
    return "private: only its owner sees it" if private else "PUBLIC: everybody can see it"


def _show(found: Publication, target: UploadPlan | None) -> None:
    """Every file, what is left out, and where to; before anything is sent."""
    missing = {file.name for file in (target.missing if target else found.files)}
    width = max(len(file.name) for file in found.files)
    for file in found.files:
        there = "" if file.name in missing else "  is there already"
        print(f"  {file.name:<{width}}  {decimal_size(file.size):>9}{there}")
    for name in target.goes if target else ():
        print(f"  {name:<{width}}  goes: of a form that is another now")
    for path in found.extra:
        print(f"  {from_here(path)}: stays here, no stage made it")
    print(f"{_files(found.files)}, {decimal_size(found.size)}")
    if any(file.name.startswith("datasets/") for file in found.files):
        print("YOUR ROWS GO UP, below datasets/", flush=True)
    if found.licence == "unknown":
        print(
            "warning: the base model's licence is not known: may you pass it on?", file=sys.stderr
        )
    for name in target.unnamed if target else ():
        print(f"note: the README is silent about {name}: not everybody may see that data set")
    if found.sources and not target:
        print(f"note: the README names {', '.join(found.sources)} if everybody may see it there")
    if found.demonstration:
        print(f"note: {DEMONSTRATION}")
    if target:
        new = "a new repository" if target.new else "a repository that is there"
        print(f"to {target.repo}, {new}, {_seen(target.private)}")
        if target.missing:
            print(f"to send: {_files(target.missing)}, {decimal_size(target.size)}", flush=True)


def _files(files: Sequence[FileToPublish]) -> str:
    return f"{len(files)} file{'s' * (len(files) != 1)}"
