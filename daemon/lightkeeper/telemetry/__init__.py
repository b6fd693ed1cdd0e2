"""Tells people and Prometheus: the only place that logs and counts."""

import sys

# Importing structlog imports rich where it is installed, which costs the daemon 280 ms and 5 MB.
# Here, because whichever module of telemetry is imported first passes here before.
_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]  # what makes an import fail

import structlog  # noqa: E402, F401

if _rich is None:
    del sys.modules["rich"]
else:
    sys.modules["rich"] = _rich
