"""Login, Azure Resource Manager and Key Vault: documents by path, and the calls that do something.

What can go wrong is switched on from outside: answers of 429 and 500, tokens that expire.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.azure.blobs import ACCOUNT, ARTIFACTS, KEY, STORE, Blobs
from tests.support.azure.lake import HOST, Lake
from tests.support.azure.worker import Worker

TENANT, CLIENT, SECRET = (
    "11111111-2222-3333-4444-555555555555",
    "loopback-client",
    "loopback-secret",
)
SUBSCRIPTION, GROUP, WORKSPACE = "00000000-1111-2222-3333-444444444444", "group", "workspace"
SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"
ROOT = f"{SCOPE}/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
VAULT = "loopback-vault"
PRINCIPAL = "99999999-8888-7777-6666-555555555555"  # the clusters' managed identity
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"  # Azure's id of Key Vault Secrets User
DATASTORES = {"workspaceblobstore": STORE, "workspaceartifactstore": ARTIFACTS}


class Service:
    """Serve as a context manager.

    Attributes:
        port: where it listens (TLS).
        requests: (method, path) of every request so far.
        bodies: the JSON bodies of PUT, by path.
        failures: statuses that the next requests to Resource Manager get instead of an answer.
        token_seconds: how long an access token is good.
        tokens: how many were given out.
        secrets: what the vault holds.
        documents: what Resource Manager holds, by lower-case path.
        lake: what OneLake holds.
    """

    def __init__(self, folder: Path, blobs: Blobs, worker: Worker) -> None:
        self.blobs, self.worker = blobs, worker
        self.requests: list[tuple[str, str]] = []
        self.bodies: dict[str, Any] = {}
        self.failures: list[int] = []
        self.token_seconds = 3600
        self.tokens: dict[str, float] = {}
        self.secrets: dict[str, str] = {}
        self.documents: dict[str, Any] = {}
        self.lake = Lake()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._server.server_address[1]
        self._identity = ThreadingHTTPServer(("127.0.0.1", 0), _identity_handler(self))
        self._furnish()

    def identity(self) -> dict[str, str]:
        """What a job's environment says about its managed identity, as Azure ML's compute does."""
        return {
            "MSI_ENDPOINT": f"http://127.0.0.1:{self._identity.server_address[1]}/msi/token",
            "MSI_SECRET": SECRET,
        }

    def __enter__(self) -> Service:
        for server in (self._server, self._identity):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.worker.stop()
        for server in (self._server, self._identity):
            server.shutdown()
            server.server_close()

    def put(self, path: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Keep a document below the workspace; returns it."""
        name = path.rstrip("/").rsplit("/", 1)[-1]
        found = {"id": path, "name": name, "type": "loopback", "properties": properties, **more}
        self.documents[path.lower()] = found
        return found

    def datastore(self, name: str) -> Any:
        """The properties of a datastore of the workspace."""
        return self.documents[f"{ROOT}/datastores/{name}".lower()]["properties"]

    def _furnish(self) -> None:
        vault = f"{SCOPE}/Microsoft.KeyVault/vaults/{VAULT}"
        storage = f"{SCOPE}/Microsoft.Storage/storageAccounts/{ACCOUNT}"
        self.put(
            ROOT,
            {"keyVault": vault, "storageAccount": storage, "workspaceId": str(uuid.uuid4())},
            location="westeurope",
            tags={},
        )
        for name, container in DATASTORES.items():
            properties = {
                "datastoreType": "AzureBlob",
                "accountName": ACCOUNT,
                "containerName": container,
                "endpoint": "core.windows.net",
                "protocol": "https",
                "credentials": {"credentialsType": "AccountKey"},
                "isDefault": name == "workspaceblobstore",
            }
            self.put(f"{ROOT}/datastores/{name}", properties)
        gpu = {"computeType": "AmlCompute", "properties": {"vmSize": "STANDARD_NC24ADS_A100_V4"}}
        mine = {"identity": {"type": "SystemAssigned", "principalId": PRINCIPAL}}
        self.put(f"{ROOT}/computes/gpu-cluster", gpu, location="westeurope", **mine)
        cpu = {"computeType": "AmlCompute", "properties": {"vmSize": "STANDARD_DS3_V2"}}
        self.put(f"{ROOT}/computes/cpu-cluster", cpu, location="westeurope", **mine)
        self.put(vault, {"enableRbacAuthorization": True})
        role = f"/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/{SECRETS_USER}"
        assignment = {"properties": {"roleDefinitionId": role, "principalId": PRINCIPAL}}
        self.listed(f"{vault}/providers/Microsoft.Authorization/roleAssignments", assignment)
        scientist = {
            "actions": ["Microsoft.MachineLearningServices/workspaces/*/write",
                        "Microsoft.MachineLearningServices/workspaces/*/action"],
            "notActions": ["Microsoft.MachineLearningServices/workspaces/computes/*/write"],
        }  # fmt: skip
        self.listed(f"{ROOT}/providers/Microsoft.Authorization/permissions", scientist)

    def listed(self, path: str, *items: dict[str, Any]) -> None:
        """Keep a list that Resource Manager gives out."""
        self.documents[path.lower()] = {"value": list(items)}

    # ------------------------------------------------------------ answers: (status, JSON)

    def answer(self, method: str, host: str, path: str, query: dict[str, Any], body: Any) -> Any:
        if host == "login.microsoftonline.com":
            return self._login(path, body)
        if host.endswith(".vault.azure.net"):
            name, *more = path.strip("/").split("/")[1:]
            value = self.secrets.get(name)
            if more == ["versions"]:  # which never tell the value
                return 200, {"value": [{"id": f"https://{host}/secrets/{name}/1"}] if value else []}
            return (200, {"value": value, "id": f"https://{host}{path}"}) if value else (404, {})
        if host == HOST:
            return self.lake.answer(path, query)
        return self._resource(method, path, query, body)

    def _login(self, path: str, body: Any) -> Any:
        base = f"https://login.microsoftonline.com/{TENANT}"
        if path.startswith("/common/discovery/instance"):
            alias = "login.microsoftonline.com"
            entry = {"preferred_network": alias, "preferred_cache": alias, "aliases": [alias]}
            found = f"{base}/v2.0/.well-known/openid-configuration"
            return 200, {"tenant_discovery_endpoint": found, "metadata": [entry]}
        if path.endswith("/openid-configuration"):
            return 200, {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            }
        if body.get("client_id") != CLIENT or body.get("client_secret") != SECRET:
            told = "AADSTS7000215: Invalid client secret provided."
            return 401, {"error": "invalid_client", "error_description": told}
        return 200, self.give_token()

    def give_token(self) -> dict[str, Any]:
        token = uuid.uuid4().hex
        self.tokens[token] = time.time() + self.token_seconds
        return {
            "token_type": "Bearer",
            "expires_in": self.token_seconds,
            "expires_on": int(self.tokens[token]),
            "access_token": token,
        }

    def _resource(self, method: str, path: str, query: dict[str, Any], body: Any) -> Any:
        below = path.removeprefix(ROOT)
        if method == "POST" and below.endswith("/startPendingUpload"):
            container = str(uuid.uuid4())  # Azure ML, too, makes one for each snapshot
            self.blobs.container(container).create_container()
            return 200, {
                "blobReferenceForConsumption": {
                    "blobUri": self.blobs.url(container, "").rstrip("/"),
                    "storageAccountArmId": f"{SCOPE}/Microsoft.Storage/storageAccounts/{ACCOUNT}",
                    "credential": {
                        "sasUri": self.blobs.signed(container),
                        "credentialType": "SAS",
                    },
                },
                "pendingUploadId": uuid.uuid4().hex,
                "pendingUploadType": "TemporaryBlobReference",
            }
        if method == "POST" and below.endswith("/listSecrets"):
            return 200, {"secretsType": "AccountKey", "key": KEY}
        job = re.fullmatch(r"/jobs/([^/]+)(/cancel)?", below)
        if job and method == "PUT":
            return 201, self.worker.submit(self, path, job[1], body)
        if job and job[2]:
            if not self.worker.cancel(job[1]):
                return 404, _error("NotFound", "no such job")
            return 200, {}
        if method == "PUT":
            more = {"flavors": {}} if "/models/" in below else {}
            return 201, self.put(path, more | body["properties"])
        found = self.documents.get(path.lower())
        if found is None and re.search(r"/(versions|datastores|jobs)$", path):
            start = path.lower() + "/"
            return 200, {"value": [one for k, one in self.documents.items() if k.startswith(start)
                                   and "hash" not in query]}  # fmt: skip
        if found is None:
            return 404, _error("ResourceNotFound", f"There is no {path}.")
        return 200, found


def _identity_handler(service: Service) -> type[BaseHTTPRequestHandler]:
    """The endpoint that gives a job's managed identity its tokens: plain http, a shared secret."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            known = self.headers.get("secret") == SECRET
            data = json.dumps(service.give_token() if known else {}).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer()

        do_PUT = do_POST = do_DELETE = do_PATCH = do_HEAD = do_GET

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            host = self.headers.get("Host", "").partition(":")[0]
            service.requests.append((self.command, parts.path))
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body: Any = {}
            if data and "json" in self.headers.get("Content-Type", ""):
                body = json.loads(data)
                service.bodies[parts.path] = body
            elif data:
                body = {k: v[0] for k, v in parse_qs(data.decode()).items()}
            query = {k: v[0] for k, v in parse_qs(parts.query).items()}
            if host != "login.microsoftonline.com":
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                if service.tokens.get(token, 0) < time.time():
                    return self._send(401, _error("ExpiredAuthenticationToken", "expired"))
                if service.failures:
                    status = service.failures.pop(0)
                    return self._send(status, _error("Failure", "switched on by the test"))
            self._send(*service.answer(self.command, host, parts.path, query, body))

        def _send(self, status: int, content: Any) -> None:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", "1")
            if status == 401 and ".vault." in self.headers.get("Host", ""):
                login = f"https://login.microsoftonline.com/{TENANT}"
                challenge = f'Bearer authorization="{login}", resource="https://vault.azure.net"'
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    return Handler
