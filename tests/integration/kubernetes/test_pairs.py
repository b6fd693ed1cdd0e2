"""Two replicas and their Lease: killed, with a clock of its own, and released."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack

import pytest

from tests.integration.kubernetes.cluster import Cluster, faked_time, pair, role, within
from tests.integration.process import Daemon, eventually

pytestmark = pytest.mark.timeout(240)
TAKEOVER_SECONDS = 6 + 2 * 1 + 1
"""Lease and two retries, as `pair` sets them; and one for the machine."""


def test_a_standby_takes_over_in_time_without_a_call_even_if_its_clock_is_hours_ahead(
    cluster: Cluster,
) -> None:
    """Who leads is a matter of no wall clock; AWS refuses what it signs, and what is held stays."""
    file, here = pair(cluster)
    kubeconfig = cluster.kubeconfig()

    def replica(name: str, more: dict[str, str] | None = None) -> Daemon:
        return stack.enter_context(cluster.running(file, kubeconfig, name, more))

    with ExitStack() as stack:
        leader = replica("one")
        leader.wait_for("credential_delivered")
        before = cluster.secret(here)
        ahead = replica("ahead", faked_time("+3h"))
        ahead.wait_for("leader_seen")
        assert role(ahead) == "standby"
        assert leader.metric("lightkeeper_leader") == 1

        leader.process.kill()
        killed = time.monotonic()
        ahead.wait_for("leadership_began")

        assert time.monotonic() - killed < TAKEOVER_SECONDS
        eventually("it is ready", lambda: ahead.get("/readyz?places=all")[0] == 200)
        assert ahead.metric("lightkeeper_leader") == 1
        assert cluster.lightsail.calls() == 1
        ahead.signal(signal.SIGUSR1)
        assert ahead.wait_for("renewal_failed")["reason"] == "clock_skew"
        assert ahead.get("/readyz?places=all")[0] == 200
        assert cluster.secret(here) == before
        asked = cluster.lightsail.calls()
        third = replica("three")
        third.wait_for("leader_seen")
        ahead.signal(signal.SIGTERM)
        third.wait_for("leadership_began")
        eventually("it is ready", lambda: third.get("/readyz?places=all")[0] == 200)
        assert cluster.lightsail.calls() == asked
        third.signal(signal.SIGUSR1)
        newest = third.wait_for("credential_renewed")["expires"]
        within(20, "the newest is there", lambda: cluster.expiry(here) == newest)
        assert cluster.is_good(here)
