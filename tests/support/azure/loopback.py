"""All of it in one: `with Loopback(folder) as azure: ... env=azure.environment ...`."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tests.support.azure import lake, service
from tests.support.azure.blobs import Blobs
from tests.support.azure.certificates import write_certificates
from tests.support.azure.proxy import Proxy
from tests.support.azure.service import Service
from tests.support.azure.worker import Worker


class Loopback:
    """Azure, as far as a job needs it.

    Attributes:
        blobs, worker, service, proxy: its parts.
        extra: variables that a test sets for the commands it runs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_certificates(folder)
        self.blobs = Blobs(folder)
        self.worker = Worker(folder / "jobs", self.blobs)
        self.service = Service(folder, self.blobs, self.worker)
        self.proxy = Proxy(self._port)
        self.worker.way = self.way
        self.extra: dict[str, str] = {}
        self._stack = contextlib.ExitStack()

    @property
    def way(self) -> dict[str, str]:
        """The way there, for programs that run in a job, too."""
        certificate = str(self.folder / "ca.pem")
        return {
            "HTTPS_PROXY": self.proxy.url,
            "REQUESTS_CA_BUNDLE": certificate,
            "SSL_CERT_FILE": certificate,
        }

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to reach it: a login, a workspace, the way there."""
        return {
            **{k: v for k, v in os.environ.items() if not k.upper().endswith("_PROXY")},
            **self.way,
            "AZURE_TENANT_ID": service.TENANT,
            "AZURE_CLIENT_ID": service.CLIENT,
            "AZURE_CLIENT_SECRET": service.SECRET,
            "AZURE_SUBSCRIPTION_ID": service.SUBSCRIPTION,
            "AZURE_RESOURCE_GROUP": service.GROUP,
            "AZUREML_WORKSPACE_NAME": service.WORKSPACE,
            **self.extra,
        }

    def reset(self) -> None:
        """End every job, and switch off what a test has switched on."""
        self.worker.stop()
        self.worker.hold.clear()
        self.worker.environment.clear()
        self.extra.clear()
        self.service.failures.clear()
        self.service.token_seconds = 3600
        self.proxy.down.clear()
        self.proxy.short.clear()

    def __enter__(self) -> Loopback:
        for part in (self.blobs, self.service, self.proxy):
            self._stack.enter_context(part)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _port(self, host: str) -> int | None:
        if host.endswith(".blob.core.windows.net"):
            return self.blobs.port
        known = ("login.microsoftonline.com", "management.azure.com", lake.HOST)
        known += (f"{service.VAULT}.vault.azure.net",)
        return self.service.port if host in known else None
