"""The workspace through Azure's SDK: the only file that imports it.

The SDK retries what is worth retrying (429, 5xx, broken connections) and renews tokens by itself;
what still fails is said as what to do about it.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phi3scaffold.project.errors import FAILED_RUN, ScaffoldError
from phi3scaffold.targets.azureml.errors import AzureUnreachable, first_line
from phi3scaffold.targets.azureml.job_checks import place
from phi3scaffold.targets.azureml.workspace_settings import WorkspaceSettings

ENDED = ("Completed", "Failed", "Canceled")
ARTIFACTS = "workspaceartifactstore"  # where Azure ML writes what a job prints
PIECE = 4 << 20  # bytes that are asked for at once, and held
# Of a piece: after about 1, 3, 5 and 9 seconds. The SDK's own first pause is 15.
RETRIES = {"retry_total": 4, "initial_backoff": 1, "increment_base": 2}


class Workspace:
    """One workspace, and the login that DefaultAzureCredential finds.

    Every method raises ScaffoldError for what Azure refuses, `AzureUnreachable` for what may pass.
    """

    def __init__(self, settings: WorkspaceSettings) -> None:
        self.settings = settings
        with self.translated_errors():
            _quiet()
            from azure.ai.ml import MLClient
            from azure.identity import DefaultAzureCredential

            self.credential = DefaultAzureCredential()
            self.client = MLClient(
                self.credential,
                settings.subscription_id,
                settings.resource_group,
                settings.workspace,
                enable_telemetry=False,
                show_progress=False,
            )

    def submit(self, path: Path, changes: dict[str, Any]) -> None:
        """Upload what the job file names and create the job."""
        job = load(path, changes)
        # The SDK ends each upload with blank lines, whatever show_progress says.
        with self.translated_errors(), contextlib.redirect_stderr(io.StringIO()):
            self.client.jobs.create_or_update(job)

    def state(self, name: str) -> str | None:
        """Return the job's status, such as ``Running``; None where there is no such job."""
        from azure.core.exceptions import ResourceNotFoundError

        with self.translated_errors():
            try:
                status = self.client.jobs.get(name).status
            except ResourceNotFoundError:
                return None
            return str(getattr(status, "value", status))

    def vault(self) -> str:
        """Return the name of the workspace's own Key Vault."""
        with self.translated_errors():
            found = self.client.workspaces.get(self.settings.workspace).key_vault
        return str(found).rstrip("/").rsplit("/", 1)[-1]

    def cancel(self, name: str) -> None:
        with self.translated_errors():
            self.client.jobs.begin_cancel(name)

    def container(self, datastore: str) -> Any:
        """Return a client of the datastore's container: by its key or SAS, else by the login."""
        from azure.storage.blob import ContainerClient

        with self.translated_errors():
            store = self.client.datastores.get(datastore, include_secrets=True)
            credentials = store.credentials
            secrets = (getattr(credentials, name, None) for name in ("account_key", "sas_token"))
            return ContainerClient(
                f"{store.protocol or 'https'}://{store.account_name}.blob.{store.endpoint}",
                store.container_name,
                credential=next(filter(None, secrets), self.credential),
                max_single_get_size=PIECE,
                max_chunk_get_size=PIECE,
                **RETRIES,
            )

    @contextlib.contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Turn what clients of `container` raise into our errors."""
        try:
            from azure.core import exceptions as azure
        except ImportError:
            raise _not_installed() from None
        try:
            yield
        except (azure.ServiceRequestError, azure.ServiceResponseError) as error:
            raise self._silence(error) from error
        except azure.ClientAuthenticationError as error:
            raise ScaffoldError(
                f"Azure does not accept the login: {first_line(error)}",
                where=f"workspace {self.settings.workspace}",
                fix="az login; or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET of a "
                "service principal",
            ) from error
        except azure.HttpResponseError as error:
            if (error.status_code or 0) < 400:  # an answer that broke off in the middle
                raise self._silence(error) from error
            raise self._refusal(error) from error

    def _silence(self, error: Exception) -> AzureUnreachable:
        return AzureUnreachable(
            f"Azure does not answer: {first_line(error)}",
            where=self.settings.workspace,
            fix="look at the network (HTTPS_PROXY), then do the same again: it goes on",
            exit_code=FAILED_RUN,
        )

    def _refusal(self, error: Any) -> ScaffoldError:
        settings, status = self.settings, error.status_code or 0
        what = f"Azure answered {status}: {first_line(error)}"
        where = f"workspace {settings.workspace} in {settings.resource_group}"
        if status == 429 or status >= 500:
            fix = "do the same again: it goes on"
            return AzureUnreachable(what, where=where, fix=fix, exit_code=FAILED_RUN)
        fixes = {
            403: f"a role that may: az role assignment create --role 'AzureML Data Scientist' "
            f"--assignee YOU --scope {settings.group_path}",
            404: "look at subscription, resource group, workspace and compute: az ml workspace "
            "list",
        }
        return ScaffoldError(what, where=where, fix=fixes.get(status, "--debug shows all of it"))


def load(path: Path, changes: dict[str, Any]) -> Any:
    """Load the job file as the SDK reads it, some keys (dotted) set. Raises ScaffoldError."""
    try:
        _quiet()
        from azure.ai.ml import load_job
    except ImportError:
        raise _not_installed() from None
    try:
        return load_job(path, params_override=[{key: value} for key, value in changes.items()])
    except Exception as error:
        key, message = _refused_key(error)
        raise ScaffoldError(
            f"Azure ML's schema refuses the job: {message}",
            where=place(path, key),
            fix="the keys of a job: https://aka.ms/ml-cli-v2-job-command-yaml-reference",
        ) from error


def _refused_key(error: Exception) -> tuple[str, str]:
    """Return the key (dotted) and what is wrong with it, from the JSON within the SDK's message."""
    decoder, keys = json.JSONDecoder(), []
    try:
        text = str(error)
        found: Any = None
        while found is None:
            found = decoder.raw_decode(text, text.index("{"))[0]
            if "errors" in found:
                found, text = None, found["errors"][0]["message"]
        while not isinstance(found, str):
            step = next(iter(found)) if isinstance(found, dict) else 0
            if step not in (0, "value", "_schema"):
                keys.append(str(step))
            found = found[step]
        return ".".join(keys), found.strip().splitlines()[0]
    except (ValueError, LookupError, TypeError, StopIteration):
        return "", first_line(error)


def request(path: Path, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the request that creates the job; what is uploaded shows as a local path."""
    job = load(path, changes)._to_job()  # as create_or_update does
    from azure.ai.ml._restclient.arm_ml_service._utils.model_base import SdkJSONEncoder

    if not isinstance(job.environment, str):  # created first, under this name
        job.environment = f"azureml:{job.environment.name}:{job.environment.version}"
    text = json.dumps(job._to_rest_object(), cls=SdkJSONEncoder, exclude_readonly=True)
    body: dict[str, Any] = json.loads(text)
    return body


def snapshot(root: Path) -> dict[str, int]:
    """Return file -> bytes of what travels: the SDK's own reading of .amlignore."""
    from azure.ai.ml._utils._asset_utils import get_ignore_file

    ignore = get_ignore_file(root)
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            if not ignore.is_file_excluded(path):
                found[path.relative_to(root).as_posix()] = path.stat().st_size
    return dict(sorted(found.items()))


def _not_installed() -> ScaffoldError:
    return ScaffoldError(
        "Azure's SDK is not installed here.", fix="make setup; or: pip install 'phi3scaffold[aml]'"
    )


def _quiet() -> None:
    """Import the SDK, and keep it from telling what is not for the user of a job.

    Importing it sets its loggers' levels anew; what they say would break the progress display.
    """
    warnings.filterwarnings("ignore", module="azure")
    import azure.ai.ml  # noqa: F401

    experimental = "azure.ai.ml._utils._experimental"
    for name in ("azure", "azure.ai.ml", "azure.identity", "msrest", experimental):
        logging.getLogger(name).setLevel(logging.CRITICAL)
