"""The daemon in steady state: its memory, its idle processor time, the stalls of its loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from benchmarks.measuring import Row, Spread, cpu_seconds, ratios, resident_kib, waited_seconds
from benchmarks.peers import importing, libraries
from benchmarks.scene import NOTES, Keeping, Scene, keeping
from tests.integration.process import Simulated

_HEARTBEAT_SECONDS = 15.0
_SCRAPE_SECONDS = 15.0
_KIB_PER_MIB = 1024
_MANY = 100
_MOST = 1000


def memory(scene: Scene, lightsail: Simulated, runs: int) -> list[Row]:
    """One login against its libraries, 100 logins against one: fresh processes each time."""
    modules = _modules(scene.named("modules"), lightsail)
    bare, one, many = [], [], []
    for number in range(runs):
        one.append(_resident(scene.named(f"one-{number}"), lightsail, 1))
        with importing(modules, scene.environment()) as pid:
            bare.append(resident_kib(pid))
        many.append(_resident(scene.named(f"many-{number}"), lightsail, _MANY))
    return [
        Row(
            what="daemon, 1 login: resident, against the imports alone",
            ours=_mib(one),
            peer=_mib(bare),
            measured=ratios(one, bare),
            bound=1.10,
        ),
        Row(
            what=f"daemon, {_MANY} logins: resident, against 1 login",
            ours=_mib(many),
            peer=_mib(one),
            measured=ratios(many, one),
            bound=1.05,
        ),
    ]


def most(scene: Scene, lightsail: Simulated) -> list[Row]:
    """A thousand logins with full rings of facts; scrapes and heartbeats of so many."""
    one = _resident(scene.named("beside"), lightsail, 1)
    with keeping(scene.named("most"), lightsail, _MOST) as daemon:
        daemon.fill_rings()
        time.sleep(_HEARTBEAT_SECONDS)
        kib = resident_kib(daemon.pid)
        stalls = _stalls(daemon, 2 * _SCRAPE_SECONDS)
    return [
        Row(
            what=f"daemon, {_MOST} logins, {NOTES} facts each: KiB for each login above 1",
            ours=f"{kib / _KIB_PER_MIB:.1f} MiB",
            peer=f"{one / _KIB_PER_MIB:.1f} MiB",
            measured=Spread(((kib - one) / (_MOST - 1),)),
            bound=8,
        ),
        Row(
            what=f"daemon, {_MOST} logins: longest stall of the loop, ms",
            ours=f"{max(stalls):.1f} ms",
            peer="",
            measured=Spread((max(stalls),)),
            bound=30,
        ),
    ]


def idle(scene: Scene, lightsail: Simulated, seconds: float) -> list[Row]:
    """One login, left alone and then probed."""
    with keeping(scene.named("idle"), lightsail, 1) as daemon:
        time.sleep(_HEARTBEAT_SECONDS)
        before, begin = cpu_seconds(daemon.pid), time.monotonic()
        time.sleep(seconds)
        used, passed = cpu_seconds(daemon.pid) - before, time.monotonic() - begin
        stalls = _stalls(daemon, seconds)
        late = daemon.metric("lightkeeper_event_loop_lag_seconds") * 1000
    return [
        Row(
            what=f"daemon, 1 login, idle for {passed:.0f} s: % of a core",
            ours=f"{used * 1000:.0f} ms",
            peer="",
            measured=Spread((100 * used / passed,)),
            bound=0.1,
        ),
        Row(
            what="daemon, 1 login: longest stall of the loop, ms",
            ours=f"{max(stalls):.1f} ms",
            peer=f"last heartbeat {late:.1f} ms late",
            measured=Spread((max(stalls),)),
            bound=30,
        ),
    ]


def _modules(scene: Scene, lightsail: Simulated) -> list[str]:
    """What a daemon has imported by the time that it is steady."""
    with keeping(scene, lightsail, 1, options=("-X", "importtime")) as daemon:
        time.sleep(_HEARTBEAT_SECONDS)
        return libraries(daemon.errors.read_text())


def _resident(scene: Scene, lightsail: Simulated, logins: int) -> int:
    with keeping(scene, lightsail, logins) as daemon:
        time.sleep(_HEARTBEAT_SECONDS)
        return resident_kib(daemon.pid)


def _stalls(daemon: Keeping, seconds: float) -> list[float]:
    """How long the loop let a request wait, in ms, asked often over `seconds`, during scrapes too.

    What the process itself waited for a processor is taken off: that is the machine's doing. The
    longest of many is what is looked for, so a stall that no request met would be missed; each
    request therefore begins where the last one ended.
    """
    end = time.monotonic() + seconds
    found = []
    with _scraping(daemon):
        while time.monotonic() < end:
            found.append(_probe(daemon))
    return found


@contextmanager
def _scraping(daemon: Keeping) -> Iterator[None]:
    """Scrape now and at Prometheus' pace until the end of the block."""
    over = threading.Event()

    def scrape() -> None:
        daemon.scrape()
        while not over.wait(_SCRAPE_SECONDS):
            daemon.scrape()

    with ThreadPoolExecutor(1) as beside:
        scraped = beside.submit(scrape)
        try:
            yield
        finally:
            over.set()
        scraped.result()


def _probe(daemon: Keeping) -> float:
    waited, begin = waited_seconds(daemon.pid), time.monotonic()
    daemon.get("/livez")
    took = time.monotonic() - begin
    return 1000 * max(0.0, took - (waited_seconds(daemon.pid) - waited))


def _mib(kib: list[int]) -> str:
    return f"{Spread(tuple(map(float, kib))).median / _KIB_PER_MIB:.1f} MiB"
