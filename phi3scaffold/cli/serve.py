"""`phi3scaffold serve`: serve an OpenAI-compatible API and a chat page."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from phi3scaffold.cli.option_types import count, port
from phi3scaffold.cli.ui.terminal import discard_output
from phi3scaffold.inference.forms.kinds import FORMS
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.settings import DEMONSTRATION

EPILOG = """examples:
  phi3scaffold serve
  phi3scaffold serve --form onnx-adapter            # the adapters only
  phi3scaffold serve --form onnx --form merged      # two forms, to compare on the page
  PHI3SCAFFOLD_API_KEY=... phi3scaffold serve --host 0.0.0.0 --port 8080
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument(
        "--form",
        action="append",
        choices=FORMS,
        help="the form to serve (default: onnx, and onnx-adapter if adapters were exported); "
        "repeatable: all are loaded, and a request's `model` chooses one. merged, adapter and base "
        "run in PyTorch",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on (default: %(default)s); one that other machines can reach "
        "needs an API key, from PHI3SCAFFOLD_API_KEY or --api-key-file",
    )
    parser.add_argument(
        "--port",
        type=port,
        default=8000,
        metavar="N",
        help="the port (default: %(default)s; 0: a free one)",
    )
    parser.add_argument("--api-key-file", type=Path, metavar="FILE", help="a file with the API key")
    parser.add_argument(
        "--cors-origin",
        action="append",
        type=_origin,
        default=[],
        metavar="ORIGIN",
        help="a web page's origin that may call the API, such as https://example.org (repeatable; "
        "default: none)",
    )
    for name, default, text in (
        ("--queue", 64, "requests that may wait; another one is refused with 429"),
        ("--timeout", 300, "seconds that a request may take, including its wait"),
        ("--max-body", 1024, "size of the largest request, in KiB"),
        ("--body-timeout", 10, "seconds that a client may take to send its request"),
        ("--drain", 30, "seconds for open requests to finish at shutdown"),
    ):
        parser.add_argument(
            name,
            type=count,
            default=default,
            metavar="N",
            help=f"{text} (default: {default})",
        )


def run(args: argparse.Namespace) -> int:
    from phi3scaffold.project.settings import find_project

    try:
        from phi3scaffold.serving.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("phi3scaffold"):
            raise
        raise ScaffoldError(
            f"Serving needs a package that is not installed: {error.name}.",
            fix="pip install 'phi3scaffold[serve]', or make setup in the project",
        ) from None
    from phi3scaffold.serving.engine_client import EngineClient
    from phi3scaffold.serving.served_models import find_models, remarks
    from phi3scaffold.serving.server_settings import ServerSettings, read_key

    settings = ServerSettings(
        host=args.host,
        port=args.port,
        queue=args.queue,
        timeout=args.timeout,
        body_bytes=args.max_body * 1024,
        body_seconds=args.body_timeout,
        drain=args.drain,
        api_key=read_key(args.api_key_file),
        origins=tuple(args.cors_origin),
    )
    project = find_project(args.project)
    engine = EngineClient(lambda: find_models(project, args.form), settings)
    for remark in remarks(engine.models):
        print(f"warning: {remark}", file=sys.stderr)
    if engine.models[0].demonstration:
        print(DEMONSTRATION, file=sys.stderr)

    def ready(address: str) -> None:
        key = ' -H "Authorization: Bearer $PHI3SCAFFOLD_API_KEY"' if settings.api_key else ""
        lines = [
            f"serving at {address}/v1 (Ctrl-C stops it)",
            *(f"  model {model.id}: {model.form}, {model.folder}" for model in engine.models),
            f"  chat page: {address}/",
            f"  curl {address}/v1/chat/completions -H 'Content-Type: application/json'{key} \\",
            f"    -d {shlex.quote(example_body(engine.models[0].columns))}",
        ]
        try:
            print("\n".join(lines), flush=True)
        except OSError:  # `... | head`: keep serving
            discard_output()

    return serve(engine, ready)


def example_body(columns: Sequence[str]) -> str:
    """Return a request with one message; one for several columns is a JSON object of them."""
    text = "..." if len(columns) < 2 else json.dumps(dict.fromkeys(columns, "..."))
    return json.dumps({"messages": [{"role": "user", "content": text}]})


def _origin(text: str) -> str:
    # as browsers write it: another spelling would never match, without any error
    if text in ("*", "null") or re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\sA-Z]+", text):
        return text
    raise argparse.ArgumentTypeError(
        f"{text!r} is not an origin such as https://example.org, without a path"
    )
