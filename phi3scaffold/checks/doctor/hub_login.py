"""The hub accepts your token, where you have one.

With an expired or revoked token the hub refuses even public models. The token is never shown or
written.

To fix it: `hf auth login` stores a new one. HF_TOKEN takes precedence where it is set.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from phi3scaffold.checks.doctor.model import hub_is_forbidden, needs_hub
from phi3scaffold.project.findings import Finding, Skip
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D21-hub-login"
NETWORK_SECONDS = 5
VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def check(context: DoctorContext) -> Iterator[Finding]:
    from phi3scaffold.pipeline import environment

    environment.prepare()
    import httpx2
    import huggingface_hub as hub

    if hub_is_forbidden():
        raise Skip("HF_HUB_OFFLINE is set")
    token = hub.get_token()
    if not token:
        yield Finding(ID, "ok", "not logged in; only gated and private models ask for it")
        return
    variables = [name for name in VARIABLES if os.environ.get(name)]
    source = variables[0] if variables else hub.constants.HF_TOKEN_PATH
    try:
        name = hub.HfApi().whoami(token).get("name")
    except hub.errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status != 401:
            raise Skip(f"the hub answered {status}") from None
        what = "The hub does not accept the token: it has expired, or was revoked"
        fix = "hf auth login; and unset HF_TOKEN where it is set"
        yield Finding(ID, "error" if needs_hub(context) else "warning", what, source, fix)
    except (httpx2.HTTPError, OSError):
        raise Skip("the hub cannot be reached") from None
    else:
        yield Finding(ID, "ok", f"logged in as {name}", source)
