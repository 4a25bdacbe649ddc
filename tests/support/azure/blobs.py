"""Azurite (npm), Microsoft's own emulator of Azure Storage, behind our certificate."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

ACCOUNT = "loopbackstore"
KEY = base64.b64encode(b"a key that opens nothing but the loopback's storage account....!").decode()
STORE, ARTIFACTS = "azureml-blobstore-loopback", "azureml"  # containers, as a workspace has them
REGISTRY = "registry"  # and that of every registry


def find_azurite() -> str | None:
    """The command: AZURITE_BLOB, or the one on the path."""
    return os.environ.get("AZURITE_BLOB") or shutil.which("azurite-blob")


class Blobs:
    """Azurite as a context manager, with the two containers of a workspace.

    Attributes:
        port: where it listens (TLS).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Blobs:
        command = find_azurite()
        assert command, "npm install azurite, or AZURITE_BLOB=/path/to/azurite-blob"
        certificate = ["--cert", str(self.folder / "server.pem")]
        certificate += ["--key", str(self.folder / "server.key")]
        arguments = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--silent"]
        arguments += ["--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"]
        self._log = (self.folder / "azurite.log").open("wb")
        self._process = subprocess.Popen(
            [command, *arguments, *certificate],
            cwd=self.folder,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
            stdout=self._log,
            stderr=self._log,
        )
        self._wait()
        for name in (STORE, ARTIFACTS, REGISTRY):
            self.container(name).create_container()
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process is not None
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._log.close()

    def container(self, name: str) -> Any:
        """A client of the container, past the proxy."""
        from azure.storage.blob import ContainerClient

        return ContainerClient(
            f"https://127.0.0.1:{self.port}/{ACCOUNT}",
            name,
            credential=KEY,
            connection_verify=str(self.folder / "ca.pem"),
            use_env_settings=False,
        )

    def url(self, container: str, path: str) -> str:
        return f"https://{ACCOUNT}.blob.core.windows.net/{container}/{path}"

    def signed(self, container: str) -> str:
        """An address of the container that carries its own right to write (SAS)."""
        import datetime

        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
        rights = ContainerSasPermissions(read=True, write=True, create=True, list=True)
        query = generate_container_sas(
            ACCOUNT, container, account_key=KEY, permission=rights, expiry=until
        )
        return f"https://{ACCOUNT}.blob.core.windows.net/{container}?{query}"

    def upload(self, folder: Path, container: str, prefix: str) -> None:
        """Every file of `folder` to `prefix`."""
        client = self.container(container)
        for path in filter(Path.is_file, folder.rglob("*")):
            name = f"{prefix.strip('/')}/{path.relative_to(folder).as_posix()}"
            with path.open("rb") as stream:
                client.upload_blob(name, stream, overwrite=True)

    def download(self, container: str, prefix: str, folder: Path) -> None:
        """Every blob below `prefix` into `folder`; a blob of that very name as a file in it."""
        client = self.container(container)
        for blob in client.list_blobs(name_starts_with=prefix):
            name = blob.name.removeprefix(prefix).strip("/") or Path(blob.name).name
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as stream:
                client.download_blob(blob.name).readinto(stream)

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self._process is not None and self._process.poll() is None, "Azurite ended"
            time.sleep(0.1)
        raise TimeoutError("Azurite does not answer")
