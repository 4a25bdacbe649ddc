"""Imported first by the server that multiprocessing forks processes of: it ends with its parent."""

from __future__ import annotations

import os
import sys

from phi3scaffold.pipeline import child

# Only there: this process may be any other that imports every module.
if any("multiprocessing.forkserver" in word for word in sys.orig_argv):
    child.end_with(os.getppid())
