"""What TAB offers: asked as a shell asks, and in real shells where they are installed."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from phi3scaffold.__main__ import VERBS
from phi3scaffold.cli import main
from phi3scaffold.cli.completion import SHELLS
from phi3scaffold.generator import template

# what is typed, what is offered (a part of it), what is not
TYPED: list[tuple[str, set[str], set[str]]] = [
    ("", set(VERBS), {"--debug", "submit"}),
    ("job ", {"submit", "status", "logs", "cancel", "fetch"}, {"run"}),
    ("job submit --", {"--detach", "--project", "--debug"}, {"--results"}),
    ("submit --det", {"--detach"}, {"--debug"}),
    ("mi", {"migrate"}, {"new"}),
    ("new x --", {"--algo", "--target", "--no-git", "--debug"}, {"new"}),
    ("new x --al", {"--algo"}, {"--target"}),
    ("new x --algo ", set(template.questions()["algo"].choices), {"loftq"}),
    ("new x --target d", {"directml"}, {"cpu"}),
    ("new x --model phi-4", {"phi-4-mini"}, {"tiny"}),
    ("migrate old.json --recipe b", {"best"}, {"fast"}),
    ("infer --form on", {"onnx", "onnx-base"}, {"merged"}),
    ("completion f", {"fish"}, {"bash"}),
]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with an executable `phi3scaffold`, for PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "phi3scaffold").write_text(f'#!/bin/sh\nexec {sys.executable} -m phi3scaffold "$@"\n')
    (folder / "phi3scaffold").chmod(0o755)
    return folder


def offered(typed: str, tmp_path: Path) -> set[str]:
    """As argcomplete's scripts ask: the line in the environment, the answer in a file."""
    line, answer = f"phi3scaffold {typed}", tmp_path / "answer"
    env = {
        **os.environ, "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line,
        "COMP_POINT": str(len(line)), "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
    }  # fmt: skip
    subprocess.run([sys.executable, "-m", "phi3scaffold"], env=env, check=False, cwd=tmp_path)
    return {word.strip() for word in answer.read_text().split("\n") if word.strip()}


@pytest.mark.parametrize(("typed", "there", "not_there"), TYPED)
def test_what_is_offered(typed: str, there: set[str], not_there: set[str], tmp_path: Path) -> None:
    found = offered(typed, tmp_path)
    assert there <= found
    assert not not_there & found


def test_it_is_quick_and_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from phi3scaffold.__main__ import VERBS\n"
        "from phi3scaffold.cli.parser import build\n"
        "for verb in VERBS:\n    build(VERBS, [verb])\n"
        "print([name for name in ('torch', 'numpy', 'olive', 'transformers', 'copier', "
        "'huggingface_hub') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(VERBS, ["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "phi3scaffold" in script
    if shutil.which(shell) and shell != "powershell":
        checked = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr


STARTS = {
    "bash": ("bash --norc --noprofile -i", 'eval "$(phi3scaffold completion bash)"'),
    "zsh": ("zsh -f -i", 'eval "$(phi3scaffold completion zsh)"'),
    "fish": ("fish --no-config -i", "phi3scaffold completion fish | source"),
}


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("migr", "migrate"), ("new x --prec", "--precision"), ("new x --target dir", "directml")],
)
@pytest.mark.parametrize("shell", STARTS)
def test_tab_in_a_real_shell(
    shell: str, typed: str, completed: str, program: Path, tmp_path: Path
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    command, install = STARTS[shell]
    env = {
        **os.environ,
        "PATH": f"{program}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
    }
    env |= {"TERM": "dumb" if shell != "fish" else "xterm", "ZDOTDIR": str(tmp_path)}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        words = shlex.split(command)
        os.execvpe(words[0], words, env)
    try:
        say(terminal, f"{install}; echo rea''dy\n")
        assert "ready" in hear(terminal, "ready")
        say(terminal, f"phi3scaffold {typed}\t")
        assert completed in hear(terminal, completed)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def say(terminal: int, text: str) -> None:
    os.write(terminal, text.encode())


def hear(terminal: int, wanted: str, seconds: float = 20) -> str:
    """What the terminal shows until `wanted` is there, or the time is over."""
    text, end = "", time.monotonic() + seconds
    while wanted not in text and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                text += os.read(terminal, 4096).decode(errors="replace")
            except OSError:
                break
    return text
