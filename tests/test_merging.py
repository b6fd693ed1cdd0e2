"""What a new file begins with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import reduce

import pytest
from hypothesis import given

from lightkeeper.core.credential import Credential
from lightkeeper.core.docker_config import put
from lightkeeper.core.docker_entry import aim
from lightkeeper.core.file_failure import FileFailure
from lightkeeper.core.json_document import Member
from lightkeeper.core.reasons import Reason
from lightkeeper.merging import seeded
from tests.core.test_docker_config import HOST, credential
from tests.core.test_docker_config_properties import CREDENTIALS, Sample, samples


def test_a_seed_that_is_missing_is_none() -> None:
    with pytest.raises(FileFailure, match="there is no such file") as caught:
        seeded(None, [HOST])

    assert caught.value.reason is Reason.UNSAFE_PATH


@pytest.mark.parametrize("empty", [b"", b" \n", b"null", b"{}"])
def test_an_empty_seed_is_an_empty_document(empty: bytes) -> None:
    document = put(seeded(empty, [HOST]), credential())

    assert json.loads(document.data or b"").keys() == {"auths"}


def test_a_key_of_another_path_is_kept() -> None:
    """It is no login of ours: docker does not look at it, and podman may need it."""
    data = json.dumps({"auths": {f"{HOST}/other": {"auth": "dTpw"}, HOST: {}}}).encode()

    assert [entry.key for entry in seeded(data, [HOST]).entries] == [f"{HOST}/other"]


@given(samples(), CREDENTIALS)
def test_all_of_a_seed_is_kept_but_what_becomes_ours(
    sample: Sample, credentials: list[Credential]
) -> None:
    hosts = {each.registry for each in credentials}
    begins = seeded(sample.data, hosts)

    assert not any(begins.foreign(host, set()) for host in hosts)
    assert _text((*begins.before, *begins.after)) == _joined(sample.sections)
    others = [entry for entry in begins.entries if aim(entry.key)[0] not in hosts]
    assert _text(others) == _joined([text for host, text in sample.entries if host not in hosts])
    made = reduce(put, credentials, begins)
    assert all(made.holds(each.registry) == each.digest for each in credentials)


def _text(members: Iterable[Member]) -> str:
    return ",".join(member.name + member.text for member in members)


def _joined(texts: Iterable[str]) -> str:
    return ",".join(texts).replace("\r\n", "\n")
