"""`phi3scaffold completion SHELL`: print a script that completes commands with TAB.

The script asks the program itself, through argcomplete, so that nothing can be out of date.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from typing import NoReturn

from phi3scaffold.cli.parser import Verb, build

SHELLS = ("bash", "zsh", "fish", "powershell")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n"
        "  phi3scaffold completion bash\n"
        "  phi3scaffold completion powershell\n"
        "\nTo have it in every terminal:\n"
        "  bash         echo 'eval \"$(phi3scaffold completion bash)\"' >> ~/.bashrc\n"
        "  zsh          echo 'eval \"$(phi3scaffold completion zsh)\"' >> ~/.zshrc\n"
        "  fish         echo 'phi3scaffold completion fish | source' >> "
        "~/.config/fish/config.fish\n"
        "  powershell   echo 'phi3scaffold completion powershell | Out-String | "
        "Invoke-Expression' >> $PROFILE"
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell to print the script for")


def run(args: argparse.Namespace) -> int:
    import argcomplete

    if args.shell == "zsh":  # compdef comes with zsh's own completion
        print("(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }")
    print(argcomplete.shellcode(["phi3scaffold"], shell=args.shell))
    return 0


def answer(verbs: Mapping[str, Verb]) -> NoReturn:
    """Tell the shell what may stand at the cursor, and end the process."""
    import argcomplete

    line = os.environ.get("COMP_LINE", "")[: int(os.environ.get("COMP_POINT", "0"))]
    typed = line.split()[1 : None if line.endswith(" ") else -1]
    argcomplete.autocomplete(build(verbs, typed), always_complete_options=False)
    sys.exit(1)  # argcomplete has ended the process
