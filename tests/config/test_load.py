"""A whole configuration: all that is wrong at once, nothing secret said, never another error."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lightkeeper.config.flags import SETTINGS, Flags
from lightkeeper.config.model import Config, KubernetesSecret, LeaderElection, Login, Renewal
from lightkeeper.config.problem import ConfigErrors, Problem
from tests.config.loading import FILE, loaded, refusal

BROKEN = """\
logins:
  - name: prod
    regoin: eu-central-1
    outputs:
      - type: docker_config
        path: a/b
        file_mode: 0600
  - name: prod
    region: eu-central-1
    verify: no
    verify: true
renewal: {at: 1:30}
web:
  listen: 9780
"""


def test_everything_that_is_wrong_is_said_at_once_in_the_order_of_its_lines() -> None:
    said = refusal(BROKEN, flags={"log_level": "loud"}, environ={"LIGHTKEEPER_X": "y"})

    assert [line.partition(": ")[0] for line in said.splitlines()] == [
        f"{FILE}:2",
        f"{FILE}:3",
        f"{FILE}:6",
        f"{FILE}:7",
        f"{FILE}:8",
        f"{FILE}:10",
        f"{FILE}:11",
        f"{FILE}:12",
        f"{FILE}:14",
        "LIGHTKEEPER_X",
        "--log-level",
    ]


def test_a_file_with_one_login_is_enough() -> None:
    config = loaded("logins: [{region: eu-central-1}]").config

    assert [login.name for login in config.logins] == ["eu-central-1"]
    assert config.renewal == Renewal()


def test_an_anchor_serves_several_logins() -> None:
    document = """\
logins:
- {region: a, outputs: &both [{type: docker_config, path: /a}, {type: containers_auth, path: /b}]}
- {region: b, outputs: *both}
"""
    first, second = loaded(document).config.logins

    assert first.outputs == second.outputs


@pytest.mark.parametrize("key", ["external_id", "session_name"])
def test_what_goes_with_a_role_needs_one(key: str) -> None:
    assert refusal(f"logins:\n- region: a\n  {key}: x-1\n") == (
        f"{FILE}:3: logins[0].{key}: goes with role_arn, which is missing; expected both or none"
    )


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1", "http://host:80/x", "http://localhost.evil", "http://127.0.0.1.evil"]
)
def test_plain_http_to_another_machine_is_a_warning(url: str) -> None:
    (warning,) = loaded(f"logins:\n- region: a\n  endpoint_url: {url}\n").warnings

    assert str(warning) == (
        f"{FILE}:3: logins[0].endpoint_url: is plain http to another machine: whoever is on the"
        " way reads the credentials"
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://host",
        "http://localhost",
        "http://127.0.0.1:4566/x",
        "http://127.8.0.1",
        "'http://[::1]:1'",
    ],
)
def test_https_and_this_machine_are_no_reason_to_warn(url: str) -> None:
    assert loaded(f"logins: [{{region: a, endpoint_url: {url}}}]").warnings == ()


# What may come as a key or a value: valid, close to valid, and anything else.
KEYS = st.sampled_from(
    [
        *Config.__struct_fields__,
        *Login.__struct_fields__,
        *KubernetesSecret.__struct_fields__,
        *LeaderElection.__struct_fields__,
        "type",
        "path",
        "file_mode",
        "at",
        "listen",
    ]
) | st.text(max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.sampled_from(["docker_config", "eu-central-1", "50%", "0600", "/a", "~/a", "$A", "none"])
    | st.sampled_from(["kubernetes_secret", "ci", "ci/a", "30s", "2m", "a in (b)"])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=30,
)


def problems_of(
    document: bytes, flags: Flags | None = None, environ: Mapping[str, str] | None = None
) -> Sequence[Problem]:
    try:
        return loaded(document, flags=flags, environ=environ).warnings
    except ConfigErrors as exc:
        return exc.problems


def check(
    document: bytes, flags: Flags | None = None, environ: Mapping[str, str] | None = None
) -> None:
    """Loading ends well, or with problems that lie within the file."""
    last = len(document.splitlines()) or 1

    problems = problems_of(document, flags, environ)

    assert all(0 < one.line <= last if one.file else one.line == 0 for one in problems)
    assert all(str(one).isprintable() for one in problems)


@given(
    st.binary(max_size=200)
    | st.text(alphabet="ab:-[]{}&*!|>'\"#%@,?~\n\t \\1", max_size=60).map(str.encode)
)
def test_any_bytes_load_or_are_refused(document: bytes) -> None:
    check(document)


@given(st.dictionaries(KEYS, TREES, max_size=6))
def test_any_yaml_loads_or_is_refused(tree: dict[str, object]) -> None:
    check(yaml.safe_dump(tree, allow_unicode=True).encode())


@given(
    st.dictionaries(
        st.sampled_from([setting.name for setting in SETTINGS]),
        st.none() | st.text(max_size=20) | st.lists(st.text(max_size=20), max_size=3),
    ),
    st.dictionaries(
        st.sampled_from(
            [*(setting.variable for setting in SETTINGS), "AWS_REGION", "DOCKER_CONFIG"]
        )
        | st.text(max_size=20).map("LIGHTKEEPER_".__add__),
        st.text(max_size=20),
    ),
)
def test_any_flags_and_variables_load_or_are_refused(
    flags: dict[str, str | list[str] | None], environ: dict[str, str]
) -> None:
    check(b"web: {}", flags=flags, environ=environ)


CANARY = "cAnArY+9f86d081884c7d659a2feaa0c55ad015"
SECRETS = st.sampled_from(
    [
        CANARY,
        f"https://user:{CANARY}@host/",
        f"http://{CANARY}@host",
        f"~/{CANARY}\0",
        f"{CANARY}/path",
        f"*{CANARY}",
        f"arn:{CANARY}",
    ]
)
LEAKS = st.dictionaries(
    KEYS | st.just(CANARY),
    st.recursive(
        SECRETS,
        lambda x: st.lists(x) | st.dictionaries(KEYS | st.just(CANARY), x, max_size=4),
        max_leaves=8,
    ),
    max_size=4,
)


@given(LEAKS, st.sampled_from(["", "'", "[", "*", "!", "&", "|", "a: "]), st.integers(0, 400))
def test_a_secret_in_the_wrong_place_is_never_said(
    tree: dict[str, object], torn: str, at: int
) -> None:
    document = yaml.safe_dump({"logins": [tree], **tree})
    document = document[:at] + torn + document[at:]
    environ = {"LIGHTKEEPER_REGION": CANARY, "AWS_REGION": CANARY, "XDG_STATE_HOME": CANARY}

    said = refusal(document, flags={"listen": f"{CANARY}:80 "}, environ=environ)

    assert CANARY.casefold() not in said.casefold()


@pytest.mark.parametrize("key", ["password", "secret", "token", "aws_secret_access_key"])
def test_a_short_secret_under_a_key_of_its_own_is_never_said(key: str) -> None:
    assert "hunter2" not in refusal(f"logins: [{{region: a, {key}: hunter2}}]\n{key}: hunter2\n")


def modules_after(code: str) -> set[str]:
    """What a fresh interpreter has imported after some code."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    return set(ran.stdout.split())


LOAD = """
from pathlib import Path
from lightkeeper.config.environment import Host
from lightkeeper.config.load import load
host = Host(Path("/"), 0, lambda _: False, lambda _: "a")
load(document={document!r}, filename="f", flags={{}}, environ={{}}, host=host)
"""


@pytest.mark.parametrize(("document", "reads_yaml"), [(None, False), (b"{}", True)])
def test_flags_alone_need_no_yaml_and_nothing_needs_what_calls(
    document: bytes | None,
    reads_yaml: bool,  # noqa: FBT001
) -> None:
    modules = modules_after(LOAD.format(document=document))

    assert ("yaml" in modules) is reads_yaml
    assert modules.isdisjoint({"asyncio", "aiohttp", "aiobotocore", "botocore", "logging"})
