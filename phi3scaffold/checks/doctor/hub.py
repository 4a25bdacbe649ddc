"""The hub answers, and gives you access to the base model.

Only a project whose base model is not here yet needs it. For a gated model, log in and accept its
terms on its page.

To fix it: `hf auth login`, or HF_TOKEN. HF_ENDPOINT names another hub, HTTPS_PROXY a proxy. Without
a network, fetch the model on another machine and set model.id in project.yaml to its folder.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.doctor.model import hub_is_forbidden, needs_hub
from phi3scaffold.project.errors import ScaffoldError
from phi3scaffold.project.findings import Finding, Skip, from_error
from phi3scaffold.targets.doctor_context import DoctorContext

ID = "D20-hub"
NETWORK_SECONDS = 5


def check(context: DoctorContext) -> Iterator[Finding]:
    if not needs_hub(context):
        if context.project is not None:
            yield Finding(ID, "ok", "not needed: the base model is here, or the job fetches it")
        return
    if hub_is_forbidden():
        raise Skip("HF_HUB_OFFLINE is set")
    from phi3scaffold.models import catalogue, model_hub
    from phi3scaffold.models.hub_errors import explained
    from phi3scaffold.models.model_lock import read_lock
    from phi3scaffold.pipeline import environment

    environment.prepare()
    from huggingface_hub import HfApi, constants

    repo, revision = catalogue.describe(context.model).hub_id or context.model, "main"
    if context.project is not None and context.model == context.project.model_id:
        lock = read_lock(context.project.lock)
        locked = lock.commit if lock and lock.id == context.model else None
        revision = locked or context.project.revision
    api = HfApi()
    try:
        with explained(model_hub.hub_request(repo, revision)):
            api.auth_check(repo)
            api.model_info(repo, revision=revision, timeout=NETWORK_SECONDS)
    except ScaffoldError as error:
        yield from_error(ID, error, "error" if context.project else "warning")
        return
    yield Finding(ID, "ok", f"{repo} can be fetched", where=constants.ENDPOINT)
