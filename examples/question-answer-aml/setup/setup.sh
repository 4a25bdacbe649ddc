#!/bin/sh
# Makes .venv in the project's folder and installs the pinned packages and the runtime into it.
# Run it again whenever setup/ has changed.
# PYTHON=/path/to/python3.11 sh setup/setup.sh chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

python=${PYTHON:-}
if [ -z "$python" ]; then
    for name in python3.11 python3.12 python3.13 python3 python; do
        if fits "$name"; then
            python=$name
            break
        fi
    done
fi
if [ -z "$python" ] || ! fits "$python"; then
    echo "error: Python 3.11, 3.12 or 3.13 is needed; PYTHON=... names it" >&2
    exit 2
fi

wheel=$(ls setup/phi3scaffold-*.whl 2>/dev/null | tail -n 1)
if [ -z "$wheel" ]; then
    echo "error: the runtime's wheel is missing from setup/" >&2
    echo "  (a demonstration project's is not in git; \`phi3scaffold update\` writes it again)" >&2
    exit 2
fi

echo "Making .venv with $("$python" --version)"
"$python" -m venv .venv
echo "Installing the packages of setup/requirements.txt; this takes some minutes the first time"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r setup/requirements.txt
# The same version is never installed over itself: its name changes with its content.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps "$wheel"
.venv/bin/phi3scaffold --version
echo "Done. \`make\` lists what can be done; . .venv/bin/activate puts phi3scaffold on the path."
