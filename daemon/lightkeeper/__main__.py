"""`python -m lightkeeper`."""

from __future__ import annotations

import sys

from lightkeeper.cli.main import main

sys.exit(main())
