#!/bin/sh
# Creates .venv in the project's folder and installs the pinned packages and the runtime.
# Run it again after setup/ has changed.
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
    echo "error: Python 3.11, 3.12 or 3.13 is required; set PYTHON=/path/to/it" >&2
    exit 2
fi

wheel=$(ls setup/phi3scaffold-*.whl 2>/dev/null | tail -n 1)
if [ -z "$wheel" ]; then
    echo "error: the runtime's wheel is missing from setup/" >&2
    echo "  (that of a demonstration project is not in git; \`phi3scaffold update\` restores it)" >&2
    exit 2
fi

# .copier-answers.yml names the runtime's wheel by its sha256: no other one is installed.
recorded=$(sed -n 's/^_wheel: *//p' .copier-answers.yml 2>/dev/null | tr -d '\r')
found=sha256:$("$python" -I -c 'import hashlib, sys
print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$wheel")
if [ "$recorded" != "$found" ]; then
    echo "error: $wheel is not the wheel that .copier-answers.yml names" >&2
    echo "  it has $found; named is ${recorded:-none}" >&2
    echo "  (take both from where the project was made; or \`phi3scaffold update\` writes both)" >&2
    exit 2
fi

echo "Creating .venv with $("$python" --version)"
"$python" -m venv .venv
quiet=--quiet
if [ -t 1 ]; then quiet=; fi  # pip shows the progress of gigabytes, but only without --quiet
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }

# What is installed: the very files whose sha256 stand in setup/requirements.lock. But on Linux
# PyPI's torch brings gigabytes for NVIDIA GPUs; PyTorch's own index has one without them, of which
# no sha256 stands there. TORCH=locked takes PyPI's.
# Where pip is told of another index (PIP_INDEX_URL, pip.conf), torch comes from that one.
lock=setup/requirements.lock
cpu_builds=https://download.pytorch.org/whl/cpu
torch=$(grep '^torch==' setup/requirements.txt || true)
if [ "$(uname)" = Linux ] && [ -n "$torch" ] && [ "${TORCH:-}" != locked ] &&
    ! grep -q '^onnxruntime-gpu' setup/requirements.txt; then
    if pip config list | grep 'index-url\|find-links' >/dev/null; then
        echo "pip uses an index of your own: torch comes from there, with CUDA unless it has the CPU build"
        pip install $quiet --no-deps "$torch"
    else
        echo "Installing $torch without CUDA, from $cpu_builds"
        pip install $quiet --no-deps --index-url "$cpu_builds" "$torch"
    fi
    lock=.venv/requirements.lock
    grep -v '^torch==' setup/requirements.lock >"$lock"
    case $(.venv/bin/python -I -c 'from importlib.metadata import version as v; print(v("torch"))') in
    *+cpu)  # without what only CUDA needs
        grep -v '^torch==\|^triton==\|^nvidia-\|^cuda-' setup/requirements.lock >"$lock" ;;
    esac
fi
echo "Installing the packages of $lock; the first time takes some minutes"
pip install $quiet --require-hashes -r "$lock"
# What somebody has added to setup/requirements.txt, or changed there: it has no sha256 here.
added=$(awk 'NR == FNR { known[tolower($1)]; next }
    NF && !/^#/ && $0 != "-c constraints.txt" && !(tolower($1) in known)' \
    setup/requirements.lock setup/requirements.txt)
if [ -n "$added" ]; then
    echo "Installing what has no sha256 in setup/requirements.lock:" $added
    pip install $quiet -r setup/requirements.txt
fi
# pip never reinstalls the same version: the name of the wheel changes with its content.
pip install --quiet --no-deps "$wheel"
.venv/bin/phi3scaffold --version
echo "Done. \`make\` lists the targets; . .venv/bin/activate puts phi3scaffold on the path."
