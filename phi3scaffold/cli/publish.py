"""`phi3scaffold publish`: upload forms of the model and their card to the Hugging Face hub."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING

from phi3scaffold.inference.forms.kinds import PUBLISHED
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.formatting import count, decimal_size, from_here
from phi3scaffold.project.settings import DEMONSTRATION

if TYPE_CHECKING:
    from phi3scaffold.publishing.file_list import FileToPublish, Publication
    from phi3scaffold.publishing.hub_upload import UploadPlan

EPILOG = """examples:
  phi3scaffold publish --dry-run                      # what would be uploaded
  phi3scaffold publish me/my-model                    # the ONNX form, private
  phi3scaffold publish me/my-model --forms onnx adapter
  phi3scaffold publish me/my-model --public

The token comes from `hf auth login` or HF_TOKEN. Rerun to resume an interrupted upload.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument(
        "repo",
        nargs="?",
        metavar="OWNER/NAME",
        help="the repository, created if it does not exist (default: the project's name in the "
        "token owner's account)",
    )
    parser.add_argument(
        "--forms",
        nargs="+",
        choices=PUBLISHED,
        default=["onnx"],
        metavar="FORM",
        help=f"the forms to upload, each into a folder: {', '.join(PUBLISHED)} (default: onnx)",
    )
    seen = parser.add_mutually_exclusive_group()
    seen.add_argument(
        "--private",
        action="store_true",
        help="visible to you or your organization only (the default); refused for a repository "
        "that is public already",
    )
    seen.add_argument("--public", action="store_true", help="visible to everybody")
    parser.add_argument(
        "--with-data",
        action="store_true",
        help="upload the rows, too: dataset.yaml and the files it names",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files that somebody else has changed there, such as an edited README",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be uploaded; send nothing"
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
        hub_upload.check_demonstration(project)
        hub_upload.check_login()
    if not (project.gen / "release").is_dir():  # before a lock makes gen-model/
        raise ScaffoldError(
            "This project has not been trained and evaluated.",
            where=project.gen,
            fix="phi3scaffold run",
        )
    with only_run(project):  # no stage may write while files are uploaded
        print("comparing the files with their manifests", flush=True)
        publication = gather(project, args.forms, with_data=args.with_data)
        if args.dry_run:
            whole = repo if "/" in repo else f"YOU/{repo}"
            _show(publication.with_readme(whole), None)
            print(f"would go to {whole}, {_visibility(not args.public)}; nothing was sent")
            return 0
        plan = hub_upload.plan_upload(
            publication, repo, public=args.public, overwrite=args.overwrite
        )
        _show(plan.publication, plan)
        page = hub_upload.send(plan, _show_file)
    if args.public and plan.private:
        print(f"It is private and stays so. To make it public: {page}/settings")
    print(f"{'published' if plan.missing or plan.obsolete else 'nothing new'}: {page}")
    return 0


def _show_file(file: FileToPublish) -> None:
    print(f"uploading {file.name}, {decimal_size(file.size)}", flush=True)


def _visibility(private: bool) -> str:
    return "private: only its owner sees it" if private else "PUBLIC: everybody can see it"


def _show(publication: Publication, plan: UploadPlan | None) -> None:
    """Print every file, what is left out, and where it goes, before anything is sent."""
    missing = {file.name for file in (plan.missing if plan else publication.files)}
    width = max(len(file.name) for file in publication.files)
    for file in publication.files:
        there = "" if file.name in missing else "  already there"
        print(f"  {file.name:<{width}}  {decimal_size(file.size):>9}{there}")
    for name in plan.obsolete if plan else ():
        print(f"  {name:<{width}}  will be deleted: its form has changed")
    for path in publication.extra:
        print(f"  {from_here(path)}: stays here, no stage wrote it")
    print(f"{count(len(publication.files), 'file')}, {decimal_size(publication.size)}")
    if any(file.name.startswith("datasets/") for file in publication.files):
        print("YOUR ROWS GO UP, below datasets/", flush=True)
    if publication.licence == "unknown":
        print(
            "warning: the base model's licence is unknown; check that you may share it",
            file=sys.stderr,
        )
    for name in plan.unnamed if plan else ():
        print(f"note: the README leaves out the dataset {name}: not everybody may see it")
    if publication.sources and not plan:
        print(f"note: the README names {', '.join(publication.sources)} if it is public on the hub")
    if publication.project.is_demonstration:
        print(f"note: {DEMONSTRATION}")
    if plan:
        new = "a new repository" if plan.head is None else "an existing repository"
        print(f"to {plan.repo}, {new}, {_visibility(plan.private)}")
        if plan.missing:
            files = count(len(plan.missing), "file")
            print(f"to send: {files}, {decimal_size(plan.size)}", flush=True)
