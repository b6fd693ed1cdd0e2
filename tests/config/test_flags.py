"""Flags and variables: one login from them alone, and what wins over what."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from lightkeeper.config.flags import SETTINGS, Flags
from lightkeeper.config.model import Config, ContainersAuth, DockerConfig, KubernetesSecret
from tests.config.loading import FILE, a_host, files, loaded, refusal, secrets

REGION = {"region": "eu-central-1"}
LOGIN = "logins:\n- region: eu-central-1\n"


def config(
    document: str | None = None,
    *,
    flags: Flags | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    return loaded(document, flags=flags, environ=environ).config


def test_the_settings_are_flags_with_a_variable_each() -> None:
    assert [(one.flag, one.variable) for one in SETTINGS] == [
        ("--config", "LIGHTKEEPER_CONFIG"),
        ("--region", "LIGHTKEEPER_REGION"),
        ("--profile", "LIGHTKEEPER_PROFILE"),
        ("--role-arn", "LIGHTKEEPER_ROLE_ARN"),
        ("--endpoint-url", "LIGHTKEEPER_ENDPOINT_URL"),
        ("--docker-config", "LIGHTKEEPER_DOCKER_CONFIG"),
        ("--containers-auth", "LIGHTKEEPER_CONTAINERS_AUTH"),
        ("--kubernetes-secret", "LIGHTKEEPER_KUBERNETES_SECRET"),
        ("--file-mode", "LIGHTKEEPER_FILE_MODE"),
        ("--seed", "LIGHTKEEPER_SEED"),
        ("--listen", "LIGHTKEEPER_LISTEN"),
        ("--state-dir", "LIGHTKEEPER_STATE_DIR"),
        ("--state-secret", "LIGHTKEEPER_STATE_SECRET"),
        ("--lease", "LIGHTKEEPER_LEASE"),
        ("--socket", "LIGHTKEEPER_SOCKET"),
        ("--log-level", "LIGHTKEEPER_LOG_LEVEL"),
        ("--log-format", "LIGHTKEEPER_LOG_FORMAT"),
    ]


def test_one_login_is_made_of_flags_alone() -> None:
    flags: Flags = {
        "region": "eu-central-1",
        "profile": "build",
        "role_arn": "arn:aws:iam::123456789012:role/push",
        "endpoint_url": "http://127.0.0.1:4566",
        "docker_config": ["/a", "/b/"],
        "containers_auth": ["~/c"],
        "file_mode": "0640",
        "seed": "~/seed",
        "listen": "none",
        "state_dir": "/s",
        "socket": "/k",
        "log_level": "debug",
        "log_format": "json",
    }

    made = config(flags=flags)

    (login,) = made.logins
    assert (login.name, login.region, login.profile) == ("eu-central-1", "eu-central-1", "build")
    assert login.role_arn == "arn:aws:iam::123456789012:role/push"
    assert login.endpoint_url == "http://127.0.0.1:4566"
    assert [(type(one), one.path, one.file_mode) for one in files(login)] == [
        (DockerConfig, Path("/a"), 0o640),
        (DockerConfig, Path("/b/config.json"), 0o640),
        (ContainersAuth, Path("/home/ci/c"), 0o640),
    ]
    assert {one.seed for one in files(login)} == {Path("/home/ci/seed")}
    assert made.web.listen is None
    assert (made.state_dir, made.socket) == (Path("/s"), Path("/k"))
    assert (made.log.level, made.log.format) == ("debug", "json")


def test_variables_say_the_same_as_flags() -> None:
    environ = {
        "LIGHTKEEPER_REGION": "eu-central-1",
        "LIGHTKEEPER_PROFILE": "build",
        "LIGHTKEEPER_ENDPOINT_URL": "http://127.0.0.1:4566",
        "LIGHTKEEPER_DOCKER_CONFIG": os.pathsep.join(["/a", "", "/b/"]),
        "LIGHTKEEPER_LISTEN": "none",
        "LIGHTKEEPER_LOG_LEVEL": "debug",
    }
    flags: Flags = {
        "region": "eu-central-1",
        "profile": "build",
        "endpoint_url": "http://127.0.0.1:4566",
        "docker_config": ["/a", "/b/"],
        "listen": "none",
        "log_level": "debug",
    }

    assert config(environ=environ) == config(flags=flags)


def test_the_mode_alone_is_that_of_the_default_output() -> None:
    (output,) = files(config(flags={**REGION, "file_mode": "0640"}).logins[0])

    assert (output.path, output.file_mode) == (Path("/home/ci/.docker/config.json"), 0o640)


def test_a_secret_is_written_as_namespace_and_name() -> None:
    flags = {**REGION, "kubernetes_secret": ["ci/push", "team-*/push", "ci/other"]}

    push, other = secrets(config(flags=flags).logins[0])

    assert (push.name, push.secret, push.namespaces) == (
        *("kubernetes_secret:push", "push"),
        ("ci", "team-*"),
    )
    assert (other.name, other.namespaces) == ("kubernetes_secret:other", ("ci",))
    variable = os.pathsep.join(flags["kubernetes_secret"])
    assert config(flags=REGION, environ={"LIGHTKEEPER_KUBERNETES_SECRET": variable}) == config(
        flags=flags
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("push", "push is not NAMESPACE/NAME such as ci/lightsail-push"),
        ("/push", "/push is not NAMESPACE/NAME such as ci/lightsail-push"),
        ("ci/", "ci/ is not NAMESPACE/NAME such as ci/lightsail-push"),
        ("CI/push", 'CI is not a namespace, or a pattern of them such as "team-*"'),
        ("Team-*/push", 'Team-* is not a namespace, or a pattern of them such as "team-*"'),
        (
            "ci/a/b",
            "the value is not the name of a Secret: lower-case letters, digits, hyphens and dots",
        ),
    ],
)
def test_a_secret_that_is_not_named_in_full_is_said(text: str, said: str) -> None:
    flags: Flags = {**REGION, "kubernetes_secret": [text]}

    assert refusal(flags=flags) == f"--kubernetes-secret: {said}"


def test_the_mode_is_that_of_files_alone() -> None:
    flags: Flags = {
        **REGION,
        "docker_config": ["/a"],
        "kubernetes_secret": ["ci/push"],
        "file_mode": "0640",
    }

    file, secret = config(flags=flags).logins[0].outputs

    assert isinstance(file, DockerConfig)
    assert file.file_mode == 0o640
    assert isinstance(secret, KubernetesSecret)
    assert refusal(flags={**flags, "docker_config": []}) == (
        "--file-mode: is for files, and there is none; expected --docker-config as well"
    )


def test_state_and_lease_are_said_by_variables_alone() -> None:
    environ = {"LIGHTKEEPER_STATE_SECRET": "ops/state", "LIGHTKEEPER_LEASE": "ops/leader"}

    made = config(flags=REGION, environ=environ)

    assert made.state is not None
    assert made.state.secret is not None
    assert (made.state.secret.namespace, made.state.secret.name) == ("ops", "state")
    assert made.leader_election is not None
    assert str(made.leader_election.lease) == "ops/leader"
    assert refusal(flags=REGION, environ={"LIGHTKEEPER_LEASE": "ops/leader"}).startswith(
        "LIGHTKEEPER_LEASE: needs state"
    )
    assert refusal(flags={**REGION, "state_dir": "/s"}, environ=environ).startswith(
        "--state-dir: says where state is kept, and so does LIGHTKEEPER_STATE_SECRET; "
    )
    in_file, directory = "state: {secret: none}\n", {"LIGHTKEEPER_STATE_DIR": "/s"}
    assert refusal(in_file, flags=REGION, environ=directory) == (
        "LIGHTKEEPER_STATE_DIR: says where state is kept, and so does state in line 1;"
        " expected one of them"
    )


def test_nothing_at_all_is_a_login_of_what_aws_says() -> None:
    made = loaded(None, host=a_host(regions={None: "eu-west-1"})).config

    assert [login.name for login in made.logins] == ["eu-west-1"]


@pytest.mark.parametrize("document", [None, "{}", "web: {listen: none}\n"])
def test_without_logins_and_without_a_region_it_is_said_what_to_set(document: str | None) -> None:
    assert refusal(document) == (
        "region: is missing; set it here, with --region, in AWS_REGION or in the AWS profile"
    )


LEVELS = [
    ({"log_level": "error"}, {"LIGHTKEEPER_LOG_LEVEL": "debug"}, "error"),
    ({"log_level": None}, {"LIGHTKEEPER_LOG_LEVEL": "debug"}, "debug"),
    ({}, {"LIGHTKEEPER_LOG_LEVEL": ""}, "warning"),
    ({}, {}, "warning"),
]


@pytest.mark.parametrize(("flags", "environ", "level"), LEVELS)
def test_a_flag_wins_over_a_variable_and_that_over_the_file(
    flags: Flags, environ: dict[str, str], level: str
) -> None:
    document = f"{LOGIN}log: {{level: warning, format: json}}\n"

    log = config(document, flags=flags, environ=environ).log

    assert (log.level, log.format) == (level, "json")


def test_without_any_of_them_it_is_the_default() -> None:
    assert config(LOGIN).log.level == "info"


def test_flags_lie_over_a_file_without_logins() -> None:
    document = "web: {listen: none}\nstate_dir: /of-file\n"

    made = config(document, flags={**REGION, "state_dir": "/of-flag"})

    assert (made.logins[0].name, made.web.listen) == ("eu-central-1", None)
    assert made.state_dir == Path("/of-flag")


def test_settings_of_a_login_do_not_go_with_a_file_that_has_logins() -> None:
    """Which of the file's logins they would change is anybody's guess."""
    flags: Flags = {"region": "a", "docker_config": ["/a", "/b"], "listen": "none"}
    environ = {"LIGHTKEEPER_PROFILE": "p", "LIGHTKEEPER_STATE_DIR": "/s"}
    said = f"is for a login made of flags alone; {FILE} has logins, set it there"

    assert refusal(LOGIN, flags=flags, environ=environ).splitlines() == [
        f"--region: {said}",
        f"LIGHTKEEPER_PROFILE: {said}",
        f"--docker-config: {said}",
    ]


def test_what_is_wrong_with_flags_is_said_by_their_names() -> None:
    flags: Flags = {
        "region": "",
        "docker_config": ["/a", "b"],
        "file_mode": "0644",
        "listen": "9780",
        "log_level": "loud",
    }
    environ = {"LIGHTKEEPER_ROLE_ARN": "push", "LIGHTKEEPER_STATE_DIR": "s"}

    assert sorted(refusal(flags=flags, environ=environ).splitlines()) == [
        "--docker-config: is not an absolute path; expected one that begins with / or ~/",
        '--file-mode: 0644 is not a mode that shuts other users out, such as "0600"',
        "--listen: 9780 is not HOST:PORT such as 127.0.0.1:9780, port 65535 at most, or none",
        "--log-level: loud is not known; expected one of debug, info, warning, error",
        "--region: is empty; expected an AWS region such as eu-central-1",
        "LIGHTKEEPER_ROLE_ARN: push is not a role such as arn:aws:iam::123456789012:role/push",
        "LIGHTKEEPER_STATE_DIR: is not an absolute path; expected one that begins with / or ~/",
    ]


def test_a_flag_does_not_mend_a_file_whose_section_is_none() -> None:
    assert refusal(f"{LOGIN}log: loud\n", flags={"log_level": "info"}) == (
        f"{FILE}:3: log: is a text; expected a mapping"
    )


def test_the_same_file_twice_is_said() -> None:
    refused = refusal(flags={**REGION, "docker_config": ["/a", "/a"]})

    assert refused == "--docker-config: is the same file as --docker-config; expected it once"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("LIGHTKEEPER_REGOIN", "did you mean LIGHTKEEPER_REGION?"),
        ("LIGHTKEEPER_STATEDIR", "did you mean LIGHTKEEPER_STATE_DIR?"),
        ("LIGHTKEEPER_", "expected one of LIGHTKEEPER_CONFIG, LIGHTKEEPER_REGION,"),
    ],
)
def test_a_variable_that_looks_like_ours_is_an_error(name: str, said: str) -> None:
    refused = refusal(flags=REGION, environ={name: "x"})

    assert refused.startswith(f"{name}: is not a variable of Lightkeeper; {said}")


@pytest.mark.parametrize(
    "name",
    [
        "LIGHTKEEPER_SERVICE_HOST",
        "LIGHTKEEPER_SERVICE_PORT",
        "LIGHTKEEPER_SERVICE_PORT_METRICS",
        "LIGHTKEEPER_PORT",
        "LIGHTKEEPER_PORT_9780_TCP",
        "LIGHTKEEPER_PORT_9780_TCP_ADDR",
        "LIGHTKEEPER_METRICS_SERVICE_HOST",
        "LIGHTKEEPERS_REGION",
        "lightkeeper_regoin",
    ],
)
def test_what_kubernetes_says_of_a_service_of_our_name_is_let_through(name: str) -> None:
    assert config(flags=REGION, environ={name: "tcp://10.0.0.1:9780"})
