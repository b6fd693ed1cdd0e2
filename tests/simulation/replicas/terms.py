"""The judge of terms: how long nobody led, and whether somebody could have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.timeline import Span, longest_calm

if TYPE_CHECKING:
    from tests.simulation.replicas.oracle import Judge
    from tests.simulation.replicas.world import Town

SLACK = 1.0
"""Seconds: what a read and a write take over a network that is well."""


class Terms:
    """Watches who leads."""

    def __init__(self, town: Town, judge: Judge) -> None:
        self._town = town
        self._judge = judge
        self.wrong: dict[str, list[Span]] = {}
        """By replica, when it could not lead; of the API server under an empty name."""
        self._gaps: list[tuple[float, float]] = []
        self._since: float | None = 0.0
        self.longest = 0.0
        """Of the times without a leader in which somebody could have led, in seconds."""

    def trouble(self, who: str, detail: str, until: float) -> None:
        """Somebody cannot do all that it would, until then."""
        self.wrong.setdefault(who, []).append(Span(self._town.now, detail, until))

    def look(self) -> None:
        """Note whether anybody leads."""
        leads = any(one.is_running and one.believes for one in self._town.replicas)
        if leads and self._since is not None:
            self._gaps.append((self._since, self._town.now))
            self._since = None
        elif not leads and self._since is None:
            self._since = self._town.now

    def finish(self) -> None:
        """Whoever lives and is well for so long leads, if nobody else does."""
        if self._since is not None:
            self._gaps.append((self._since, self._town.now))
        settings, shape = self._town.shape.settings, self._town.shape
        limit = (settings.duration + 2 * settings.retry).total_seconds()
        allowed = limit * shape.fastest + SLACK
        # Whoever is not answered holds the Lease by what it sends, and does not lead.
        shared = self.wrong.get("", []) + [
            Span(span.begin, span.detail, span.end + allowed)
            for spans in self.wrong.values()
            for span in spans
            if span.detail == "network"
        ]
        for begin, end in self._gaps:
            for replica in self._town.replicas:
                out = [Span(0.0, "unborn", replica.born), *shared]
                out += self.wrong.get(replica.name, [])
                calm = longest_calm(out, begin, end)
                self.longest = max(self.longest, calm)
                if calm > allowed:
                    self._judge.blame(
                        f"takeover: nobody led for {calm:.1f} s of {begin:.1f} to {end:.1f},"
                        f" in which {replica.name} could"
                    )
