"""The hub answers, and lets you have the base model.

Only a project whose base model is not here yet needs it. A gated model asks you to accept its
terms on its page and to log in.

To mend it: `hf auth login`, or HF_TOKEN. HF_ENDPOINT names another hub, HTTPS_PROXY the way there;
where there is no network, fetch the model on another machine and set model.id in project.yaml to
its folder.
"""

from __future__ import annotations

from collections.abc import Iterator

from phi3scaffold.checks.doctor.model import hub_is_forbidden, needs_hub
from phi3scaffold.checks.doctor_context import Scene, Skip
from phi3scaffold.checks.verdict import Verdict, from_error
from phi3scaffold.project.errors import ScaffoldError

ID = "D20-hub"
NETWORK_SECONDS = 5


def check(scene: Scene) -> Iterator[Verdict]:
    if not needs_hub(scene):
        if scene.project is not None:
            yield Verdict(ID, "ok", "not needed: the base model is here, or the job fetches it")
        return
    if hub_is_forbidden():
        raise Skip("HF_HUB_OFFLINE is set")
    from phi3scaffold.models import model_hub
    from phi3scaffold.models.hub_errors import explained
    from phi3scaffold.models.model_lock import read_lock
    from phi3scaffold.pipeline import environment

    environment.prepare()
    from huggingface_hub import HfApi, constants

    repo, revision = _repository(scene), "main"
    if scene.project is not None and scene.model == scene.project.model_id:
        lock = read_lock(scene.project.lock)
        locked = lock.commit if lock and lock.id == scene.model else None
        revision = locked or scene.project.revision
    api = HfApi()
    try:
        with explained(model_hub.asked(repo, revision)):
            api.auth_check(repo)
            api.model_info(repo, revision=revision, timeout=NETWORK_SECONDS)
    except ScaffoldError as error:
        yield from_error(ID, error, "error" if scene.project else "warning")
        return
    yield Verdict(ID, "ok", f"{repo} can be fetched", where=constants.ENDPOINT)


def _repository(scene: Scene) -> str:
    from phi3scaffold.models import catalogue

    return catalogue.describe(scene.model).hub_id or scene.model
