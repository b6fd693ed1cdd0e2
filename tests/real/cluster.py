"""A real Kubernetes API server with RBAC, one for each process of tests: see `kube` in this folder.

A test asks for the fixture `api_server` and makes namespaces and ServiceAccounts of its own, since
others use the server too; one that stops parts of it, or wants flags, starts its own by `serving`.
What is asked for here is asked as an administrator. There is no controller manager but in a server
that is asked for with it: a deleted namespace stays Terminating until `finish_namespace`.
"""

from __future__ import annotations

import base64
import fcntl
import http.client
import json
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from tests.real.starting import HERE

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"

_NEEDED: Final = ("etcd", "kubectl", "kube-apiserver")
_BUILD_LIMIT_SECONDS: Final = 900
_LEEWAY_SECONDS: Final = 60
"""So much longer than it says a token is taken (go-jose's default)."""


def _assets() -> Path:
    chosen = os.environ.get("LIGHTKEEPER_KUBE_ASSETS")
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen) if chosen else Path(caches) / "lightkeeper" / "kube"


ASSETS: Final = _assets()
"""Where `kube-assets` puts what it makes; asked for before a test has another HOME."""


@cache
def lacking_api_server(*parts: str) -> str:
    """What keeps an API server, and such parts besides, from starting here; empty if nothing does.

    If `make test` has them built just now, this waits until that is done.
    """
    until = time.monotonic() + _BUILD_LIMIT_SECONDS
    while _missing(parts) and _is_being_filled() and time.monotonic() < until:
        time.sleep(0.5)
    if missing := _missing(parts):
        log = ASSETS / "log"
        said = log.read_text().strip().splitlines()[-1:] if log.exists() else []
        return "; ".join((f"no {missing} in {ASSETS}: make kube", *said))
    tools = [tool for tool in ("curl", "openssl") if shutil.which(tool) is None]
    return f"missing: apt-get install {' '.join(tools)}" if tools else ""


def _missing(parts: Sequence[str]) -> str:
    return ", ".join(name for name in (*_NEEDED, *parts) if not (ASSETS / name).exists())


def _is_being_filled() -> bool:
    try:
        with (ASSETS / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the API server said."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Account:
    """A ServiceAccount."""

    namespace: str
    name: str
    uid: str


def rule(
    verbs: Sequence[str], resources: Sequence[str], *names: str, group: str = ""
) -> dict[str, object]:
    """One of a Role, as its manifest has it; for every name if none is given."""
    made: dict[str, object] = {"apiGroups": [group], "resources": list(resources)}
    return made | {"verbs": list(verbs)} | ({"resourceNames": list(names)} if names else {})


@dataclass
class ApiServer:
    """A running one, and its administrator."""

    folder: Path
    url: str
    flags: str = ""
    _serial: Iterator[int] = field(default_factory=count)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "kubeconfig"

    @property
    def ca(self) -> Path:
        return self.folder / "pki" / "ca.crt"

    def ask(
        self, method: str, path: str, body: object = None, *, kind: str = "application/json"
    ) -> Answer:
        """One request, whatever comes of it."""
        pki = self.folder / "pki"
        trusting = ssl.create_default_context(cafile=self.ca)
        trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT  # since 3.13; no cluster needs to pass it
        trusting.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        address = urlsplit(self.url)
        connection = http.client.HTTPSConnection(
            address.hostname or "", address.port, context=trusting, timeout=30
        )
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": kind})
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        is_json = (answer.getheader("Content-Type") or "").startswith("application/json")
        return Answer(status=answer.status, body=json.loads(said) if is_json else {})

    def done(
        self, method: str, path: str, body: object = None, *, kind: str = "application/json"
    ) -> dict[str, Any]:
        """A request that must succeed; the object that came back."""
        answer = self.ask(method, path, body, kind=kind)
        assert answer.status < 300, f"{method} {path}: {answer}"
        return answer.body

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run it as the administrator; what it printed."""
        command = [str(ASSETS / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def namespace(self, name: str = "", labels: Mapping[str, str] | None = None) -> str:
        """Make one; with a name of its own if none is given."""
        name = name or f"n{next(self._serial)}-{time.time_ns():x}"
        self.done(
            "POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels or {}}}
        )
        return name

    def label_namespace(self, name: str, labels: Mapping[str, str | None]) -> None:
        """Set labels of it, or take away those that are None."""
        path = f"/api/v1/namespaces/{name}"
        self.done("PATCH", path, {"metadata": {"labels": dict(labels)}}, kind=MERGE)

    def end_namespace(self, name: str) -> None:
        """Let it be Terminating."""
        self.done("DELETE", f"/api/v1/namespaces/{name}")

    def finish_namespace(self, name: str) -> None:
        """What the controller manager does in the end: empty it, and let it go."""
        for kind in ("/api/v1/{}/secrets", "/apis/coordination.k8s.io/v1/{}/leases"):
            self.done("DELETE", kind.format(f"namespaces/{name}"))
        path = f"/api/v1/namespaces/{name}"
        manifest = self.done("GET", path)
        manifest["spec"] = {"finalizers": []}
        self.done("PUT", f"{path}/finalize", manifest)

    def account(self, namespace: str, name: str, *pulls: str) -> Account:
        """Make a ServiceAccount, which may do nothing yet; its pods pull with these Secrets."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        listed = [{"name": secret} for secret in pulls]
        made = self.done("POST", path, {"metadata": {"name": name}, "imagePullSecrets": listed})
        return Account(namespace=namespace, name=name, uid=made["metadata"]["uid"])

    def grant(
        self, account: Account, *rules: Mapping[str, object], namespace: str | None = None
    ) -> None:
        """Let it do this, in one namespace or in all: a Role or a ClusterRole of its own.

        Back when the API server has taken notice.
        """
        kind = "ClusterRole" if namespace is None else "Role"
        path = "/apis/rbac.authorization.k8s.io/v1"
        path += "" if namespace is None else f"/namespaces/{namespace}"
        name = f"{account.namespace}-{account.name}-{next(self._serial)}"
        metadata = {"name": name}
        self.done("POST", f"{path}/{kind.lower()}s", {"metadata": metadata, "rules": rules})
        group = "rbac.authorization.k8s.io"
        subject = {"kind": "ServiceAccount", "namespace": account.namespace, "name": account.name}
        binding = {
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": kind, "name": name},
            "subjects": [subject],
        }
        self.done("POST", f"{path}/{kind.lower()}bindings", binding)
        until = time.monotonic() + 10
        while not all(self._may(account, one, namespace) for one in rules):
            assert time.monotonic() < until, f"{account} may not yet do all of {rules}"
            time.sleep(0.02)

    def _may(self, account: Account, rule: Mapping[str, Any], namespace: str | None) -> bool:
        asked = {
            "namespace": namespace or "",
            "verb": rule["verbs"][0],
            "group": rule["apiGroups"][0],
            "resource": rule["resources"][0],
            "name": rule.get("resourceNames", [""])[0],
        }
        user = f"system:serviceaccount:{account.namespace}:{account.name}"
        review = {"spec": {"user": user, "resourceAttributes": asked}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(self.done("POST", path, review)["status"]["allowed"])

    def token(self, account: Account, seconds: int = 3600) -> str:
        """One as a pod gets it; the API server gives none for less than 600 s."""
        path = f"/api/v1/namespaces/{account.namespace}/serviceaccounts/{account.name}/token"
        made = self.done("POST", path, {"spec": {"expirationSeconds": seconds}})
        return str(made["status"]["token"])

    def brief_token(self, account: Account, seconds: int) -> str:
        """One that is refused after so long, or up to 10 s later if it was used before."""
        now = int(time.time())
        claims = {
            "iss": "https://kubernetes.default.svc",
            "aud": ["https://kubernetes.default.svc"],
            "sub": f"system:serviceaccount:{account.namespace}:{account.name}",
            "iat": now - _LEEWAY_SECONDS,
            "nbf": now - _LEEWAY_SECONDS,
            "exp": now + seconds - _LEEWAY_SECONDS,
            "kubernetes.io": {
                "namespace": account.namespace,
                "serviceaccount": {"name": account.name, "uid": account.uid},
            },
        }
        parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
        signed = b".".join(map(_base64url, parts))
        key = self.folder / "pki" / "sa.key"
        signing = ["openssl", "dgst", "-sha256", "-sign", str(key)]
        signature = subprocess.run(signing, input=signed, capture_output=True, check=True).stdout
        return (signed + b"." + _base64url(signature)).decode()

    def write_kubeconfig(
        self, path: Path, *, token: str = "", token_file: Path | None = None, url: str = ""
    ) -> Path:
        """One for whoever has the token, or the file that it is in; by another way if told so."""
        user = {"token": token} if token_file is None else {"tokenFile": str(token_file)}
        cluster = {"server": url or self.url, "certificate-authority": str(self.ca)}
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "local", "cluster": cluster}],
            "contexts": [{"name": "it", "context": {"cluster": "local", "user": "it"}}],
            "users": [{"name": "it", "user": user}],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(kubeconfig))
        return path

    def start(self, *parts: str) -> None:
        """Go on with `etcd`, `kube-apiserver` (both if none is named), `kube-controller-manager`.

        The state, the ports and what was handed out are the same; back when it answers.
        """
        _kube("start", self.folder, *parts, flags=self.flags)

    def stop(self, *parts: str) -> None:
        """Let these go, orderly."""
        _kube("stop", self.folder, *parts)


def _kube(verb: str, folder: Path, *parts: str, flags: str = "") -> None:
    said = folder / "kube.log"
    with said.open("a") as log:
        done = subprocess.run(
            [HERE / "kube", verb, folder, *parts],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=120,
            check=False,
            env=os.environ | {"LIGHTKEEPER_KUBE_ASSETS": str(ASSETS), "KUBE_FLAGS": flags},
        )
    assert done.returncode == 0, f"kube {verb}: {said.read_text()}"


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@contextmanager
def serving(folder: Path, flags: str = "", *, parts: Sequence[str] = ()) -> Iterator[ApiServer]:
    """One API server until the end, in a new folder; skips the test where none is to be had.

    With `kube-controller-manager` among the parts there are ServiceAccounts called `default`, and
    namespaces go by themselves.
    """
    if reason := lacking_api_server(*parts):
        pytest.skip(reason)
    folder.mkdir()
    try:
        server = ApiServer(folder, "", flags)
        server.start()
        if parts:
            server.start(*parts)
        server.url = json.loads(server.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        yield server
        log = (folder / "kube-apiserver.log").read_text(errors="replace")
        assert "Observed a panic" not in log, "the API server itself is broken: make it anew"
    finally:
        _kube("stop", folder)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The one that all tests of this process share."""
    with serving(tmp_path_factory.mktemp("kube") / "state") as server:
        yield server
