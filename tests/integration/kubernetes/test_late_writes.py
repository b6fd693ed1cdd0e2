"""Two replicas, of which who leads is stopped, continued or cut off: nothing older comes late."""

from __future__ import annotations

import http.client
import json
import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from tests.integration.kubernetes.cluster import (
    EXPIRY,
    NAME,
    Cluster,
    marks,
    pair,
    role,
    within,
)
from tests.integration.kubernetes.proxy import Do, proxying
from tests.integration.process import eventually
from tests.real.cluster import ApiServer

pytestmark = pytest.mark.timeout(240)


@dataclass
class History:
    """Every version that a Secret had: its resourceVersion and the expiry that it tells."""

    versions: list[tuple[int, str]] = field(default_factory=list)

    def read(self, answer: http.client.HTTPResponse) -> None:
        with suppress(OSError, ValueError):
            while line := answer.readline():
                secret = json.loads(line)["object"]
                version = int(secret["metadata"]["resourceVersion"])
                self.versions.append((version, marks(secret).get(EXPIRY, "")))

    @property
    def expiries(self) -> list[str]:
        return [expiry for _, expiry in sorted(self.versions)]


@contextmanager
def watched(api: ApiServer, namespace: str) -> Iterator[History]:
    """What becomes of the Secret there, as the API server tells it."""
    trusting = ssl.create_default_context(cafile=api.ca)
    trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as in `ApiServer.ask`
    pki = api.folder / "pki"
    trusting.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    address = urlsplit(api.url)
    connection = http.client.HTTPSConnection(
        address.hostname or "", address.port, context=trusting, timeout=240
    )
    selected = f"watch=true&fieldSelector=metadata.name%3D{NAME}"
    connection.request("GET", f"/api/v1/namespaces/{namespace}/secrets?{selected}")
    answer, history = connection.getresponse(), History()
    thread = threading.Thread(target=history.read, args=(answer,))
    thread.start()
    try:
        yield history
    finally:
        if connection.sock is not None:
            connection.sock.shutdown(2)
        thread.join()
        connection.close()


def test_what_a_leader_that_was_stopped_sends_late_replaces_nothing_newer(
    cluster: Cluster,
) -> None:
    """Its write is on its way when it is stopped past its lease, and arrives after a newer one."""
    file, here = pair(cluster)
    with ExitStack() as stack:
        proxy = stack.enter_context(proxying(cluster.api))
        by_proxy = cluster.kubeconfig(proxy.url)
        old = stack.enter_context(cluster.running(file, by_proxy, "old"))
        old.wait_for("credential_delivered")
        new = stack.enter_context(cluster.running(file, cluster.kubeconfig(), "new"))
        new.wait_for("leader_seen")
        history = stack.enter_context(watched(cluster.api, here))
        late = proxy.order(f"PATCH /api/v1/namespaces/{here}/secrets/{NAME}", Do.HOLD, 1)
        old.signal(signal.SIGUSR1)
        eventually("the write is on its way", lambda: late.met == 1)
        old.signal(signal.SIGSTOP)

        new.wait_for("leadership_began")
        eventually("it keeps the login", lambda: new.get("/readyz?places=all")[0] == 200)
        new.signal(signal.SIGUSR1)
        newest = new.wait_for("credential_renewed")["expires"]
        within(20, "the newest is there", lambda: cluster.expiry(here) == newest)
        late.release()
        eventually("the late write has arrived", lambda: bool(late.answered))
        old.signal(signal.SIGCONT)
        old.wait_for("leadership_ended")
        old.wait_for("leader_seen")

        assert late.answered == [409]
        assert role(old) == "standby"
        assert old.metric("lightkeeper_leader") == 0
        assert (cluster.expiry(here), cluster.is_good(here)) == (newest, True)
        assert history.expiries == sorted(history.expiries)
        assert len(set(history.expiries)) >= 2

        # The same two, the other way round: who leads now cannot reach the API server.
        assert old.get("/readyz")[0] == 200
        new.signal(signal.SIGTERM)
        old.wait_for("leadership_began", 2)
        cut = stack.enter_context(cluster.running(file, cluster.kubeconfig(), "third"))
        cut.wait_for("leader_seen")
        proxy.order("", Do.CLOSE)
        ended = old.wait_for("leadership_ended", 2)
        cut.wait_for("leadership_began")
        assert ended["why"] == "not_renewed"
        assert "connection" in ended["detail"] or "peer" in ended["detail"]
        assert role(old) == "standby"
        proxy.forget()
        old.wait_for("leader_seen", 2)
        assert history.expiries == sorted(history.expiries)
        assert cluster.is_good(here)
