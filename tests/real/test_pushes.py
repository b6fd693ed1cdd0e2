"""Real clients push through the delivered file while its credential is renewed under them.

`PUSH_SECONDS` sets how long each run takes; `python -m tests.real.pushes` does two minutes of each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.real.pushes import TOOLS, Run, docker_engine, run
from tests.real.starting import lacking

SECONDS = float(os.environ.get("PUSH_SECONDS", "22"))

pytestmark = [
    pytest.mark.skipif(bool(lacking(*TOOLS, root=True)), reason=lacking(*TOOLS, root=True)),
    pytest.mark.timeout(SECONDS + 150),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    with docker_engine() as address:
        yield address


def assert_was_busy(done: Run) -> None:
    """Guard against a run that proves nothing."""
    print(*done.lines(), sep="\n")
    pushed = {push.client for push in done.pushes if not push.refusal}
    assert pushed == {"skopeo", "podman", "docker"}
    assert len(done.handovers) >= int(SECONDS / 11)
    assert done.edits > SECONDS


def test_no_push_lacks_a_credential_and_no_edit_of_others_is_lost(engine: str) -> None:
    done = run(engine, seconds=SECONDS, ends_predecessor=False)

    assert_was_busy(done)
    assert done.failed == []
    assert done.foreign_lost == 0


def test_a_credential_that_ends_its_former_fails_only_pushes_of_the_handover(engine: str) -> None:
    """Those in flight, or begun before the new one was delivered; all later ones go well."""
    done = run(engine, seconds=SECONDS, ends_predecessor=True)

    assert_was_busy(done)
    assert done.unexcused == []
    assert done.foreign_lost == 0
