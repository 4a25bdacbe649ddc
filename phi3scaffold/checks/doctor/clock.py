"""The machine's clock is right, to a few minutes.

With a wrong clock certificates look expired, and Azure refuses every token. The clock is compared
with that of the hub's server.

To fix it: turn on synchronization: `timedatectl set-ntp true` on Linux, `w32tm /resync` on
Windows; in WSL, `wsl --shutdown` and start it again.
"""

from __future__ import annotations

import email.utils
import sys
import time
from collections.abc import Iterator

from phi3scaffold.checks.doctor.model import hub_is_forbidden
from phi3scaffold.project.findings import Finding, Skip
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D22-clock"
NETWORK_SECONDS = 5
MOST = 300  # seconds; Azure's and Kerberos' own limit


def check(context: DoctorContext) -> Iterator[Finding]:
    if hub_is_forbidden():
        raise Skip("HF_HUB_OFFLINE is set")
    import httpx2
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    try:
        answer = get_session().head(constants.ENDPOINT, timeout=NETWORK_SECONDS)
    except (httpx2.HTTPError, OSError):
        raise Skip("the hub cannot be reached") from None
    server_time = email.utils.parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    off = time.time() - server_time
    if abs(off) <= MOST:
        yield Finding(ID, "ok", "right")
        return
    what = f"{abs(off) / 60:.0f} minutes {'fast' if off > 0 else 'slow'}: "
    what += "logins to Azure fail, and certificates look expired"
    windows = sys.platform == "win32"
    fix = "w32tm /resync, as administrator" if windows else "sudo timedatectl set-ntp true"
    yield Finding(ID, "warning", what, fix=fix)
