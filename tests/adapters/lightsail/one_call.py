"""A process that asks once for each profile and says what came of it, as JSON.

For what only a process can show: python -m tests.adapters.lightsail.one_call URL SECONDS PROFILE...
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from datetime import timedelta

from lightkeeper.adapters.lightsail import SharedAws
from lightkeeper.core.answer import Refusal
from tests.adapters.lightsail.asking import issuer_at


async def main(url: str, seconds: str, *profiles: str) -> None:
    shared = SharedAws()
    said: list[dict[str, str]] = []
    for profile in profiles:
        issuer = issuer_at(url, shared, profile=profile or None)
        outcome = await issuer.issue(timedelta(seconds=float(seconds)))
        if isinstance(outcome, Refusal):
            said.append({"reason": outcome.reason, "detail": outcome.detail})
        else:
            said.append({"registry": outcome.registry or ""})
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    # It tells of every failure with a traceback; whatever else complains is a finding.
    logging.getLogger("aiobotocore").setLevel(logging.CRITICAL)
    asyncio.run(main(*sys.argv[1:]))
