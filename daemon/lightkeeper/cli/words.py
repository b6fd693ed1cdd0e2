"""What facts are called for people, and how a command says that it cannot."""

from __future__ import annotations

import sys
from typing import Final

FACTS: Final = {
    "Renewed": "renewed",
    "RenewalFailed": "renewal failed",
    "RenewalRequested": "renewal requested",
    "Verified": "registry asked",
    "Drifted": "entry changed by somebody else",
    "Delivered": "delivered",
    "DeliveryFailed": "delivery failed",
    "Surprised": "bug caught",
}
"""By the name that the status document has for them."""


def cannot(command: str, why: str) -> None:
    """One sentence on what could not be done, and what to do."""
    sys.stderr.write(f"lightkeeper {command}: {why}\n")
