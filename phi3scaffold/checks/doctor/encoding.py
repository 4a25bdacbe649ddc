"""Text is read, written and shown in UTF-8.

This package always names the encoding; some libraries take the system's. With another encoding
than UTF-8 they may fail for a row or an answer with an accent or another script, or show question
marks.

To fix it: PYTHONUTF8=1 makes Python use UTF-8 everywhere. On Linux a locale such as C.UTF-8 also
does.
"""

from __future__ import annotations

import codecs
import locale
import sys
from collections.abc import Iterator

from phi3scaffold.project.findings import Finding
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D15-encoding"


def check(context: DoctorContext) -> Iterator[Finding]:
    found = {"files": locale.getpreferredencoding(False)}
    if sys.stdout is not None and sys.stdout.isatty():
        found["the terminal"] = sys.stdout.encoding or "ascii"
    wrong = {what: name for what, name in found.items() if codecs.lookup(name).name != "utf-8"}
    if wrong:
        message = ", ".join(f"{what} {name}" for what, name in wrong.items())
        fix = "export PYTHONUTF8=1, or a locale such as LC_ALL=C.UTF-8"
        if sys.platform == "win32":
            fix = "setx PYTHONUTF8 1, then a new window"
        yield Finding(ID, "warning", f"Not UTF-8: {message}", fix=fix)
    else:
        yield Finding(ID, "ok", "UTF-8")
