"""Defaults that hang on the environment, and what a path means in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightkeeper.config.environment import DEFAULT_FILE, Host, config_file
from lightkeeper.config.model import ContainersAuth, DockerConfig, FileOutput
from tests.config.loading import FILE, a_host, files, loaded, refusal

LOGIN = "logins:\n- region: eu-central-1\n"
NO_HOME = "begins with ~, and this user has no home directory; expected a path with /"
RELATIVE = "is not an absolute path; expected one that begins with / or ~/"


def output(
    document: str, *, environ: dict[str, str] | None = None, host: Host | None = None
) -> FileOutput:
    (one,) = files(loaded(document, environ=environ, host=host).config.logins[0])
    return one


@pytest.mark.parametrize(
    ("environ", "uid", "state_dir"),
    [
        ({}, 1000, "/home/ci/.local/state/lightkeeper"),
        ({}, 0, "/var/lib/lightkeeper"),
        ({"XDG_STATE_HOME": "/x"}, 1000, "/x/lightkeeper"),
        ({"XDG_STATE_HOME": "/x"}, 0, "/x/lightkeeper"),
        ({"XDG_STATE_HOME": "/x", "STATE_DIRECTORY": "/s"}, 0, "/s"),
        ({"XDG_STATE_HOME": "", "STATE_DIRECTORY": ""}, 0, "/var/lib/lightkeeper"),
    ],
)
def test_state_is_kept_where_systemd_says_else_where_the_user_keeps_it(
    environ: dict[str, str], uid: int, state_dir: str
) -> None:
    config = loaded(LOGIN, environ=environ, host=a_host(uid=uid)).config

    assert config.state_dir == Path(state_dir)


def test_the_user_of_the_service_finds_it_from_a_shell_too() -> None:
    """Where systemd's variables are not set."""
    environ = {"XDG_STATE_HOME": "/x", "XDG_RUNTIME_DIR": "/r"}
    host = a_host(owned=["/var/lib/lightkeeper", "/run/lightkeeper"])

    config = loaded(LOGIN, environ=environ, host=host).config

    assert config.state_dir == Path("/var/lib/lightkeeper")
    assert config.socket == Path("/run/lightkeeper/control.sock")


@pytest.mark.parametrize(
    ("environ", "uid", "socket"),
    [
        ({}, 1000, "/s/control.sock"),
        ({}, 0, "/run/lightkeeper/control.sock"),
        ({"XDG_RUNTIME_DIR": "/r"}, 1000, "/r/lightkeeper/control.sock"),
        ({"XDG_RUNTIME_DIR": "/r"}, 0, "/run/lightkeeper/control.sock"),
        ({"XDG_RUNTIME_DIR": "/r", "RUNTIME_DIRECTORY": "/q"}, 0, "/q/control.sock"),
    ],
)
def test_the_socket_is_where_systemd_says_else_in_a_runtime_directory(
    environ: dict[str, str], uid: int, socket: str
) -> None:
    config = loaded(f"{LOGIN}state_dir: /s\n", environ=environ, host=a_host(uid=uid)).config

    assert config.socket == Path(socket)


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({}, "/home/ci/.docker/config.json"),
        ({"DOCKER_CONFIG": "/d"}, "/d/config.json"),
        ({"DOCKER_CONFIG": "/d", "REGISTRY_AUTH_FILE": "/a"}, "/d/config.json"),
    ],
)
def test_a_login_without_outputs_is_delivered_where_docker_looks(
    environ: dict[str, str], path: str
) -> None:
    one = output(LOGIN, environ=environ)

    assert (type(one), one.path, one.name) == (DockerConfig, Path(path), f"docker_config:{path}")


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({}, "/run/containers/1000/auth.json"),
        ({"XDG_RUNTIME_DIR": "/r"}, "/r/containers/auth.json"),
        ({"XDG_RUNTIME_DIR": "/r", "REGISTRY_AUTH_FILE": "/a/b"}, "/a/b"),
    ],
)
def test_an_auth_json_without_a_path_is_where_podman_looks(
    environ: dict[str, str], path: str
) -> None:
    one = output(f"{LOGIN}  outputs: [{{type: containers_auth}}]\n", environ=environ)

    assert (type(one), one.path, one.name) == (
        ContainersAuth,
        Path(path),
        f"containers_auth:{path}",
    )


PATHS = [
    ("/a/b", "/a/b"),
    ("/a//b/./c", "/a/b/c"),
    ("~/a", "/home/ci/a"),
    ("'~'", "/home/ci/config.json"),
    ("$A/x", "/from/a/x"),
    ("'${A}x'", "/from/ax"),
    ("/x/$B/y", "/x/$A/y"),
    ("/x/~/y", "/x/~/y"),
    ("/x/$/y", "/x/$/y"),
    ("/x/", "/x/config.json"),
    ("/dir", "/dir/config.json"),
    ("'/ä ö'", "/ä ö"),
]


@pytest.mark.parametrize(("written", "meant"), PATHS)
def test_a_path_is_expanded_once_and_a_directory_means_its_file(written: str, meant: str) -> None:
    host = a_host(directories=["/dir", "/home/ci"])
    document = f"{LOGIN}  outputs: [{{type: docker_config, path: {written}}}]\n"

    assert output(document, environ={"A": "/from/a", "B": "$A"}, host=host).path == Path(meant)


def test_a_directory_means_auth_json_where_podman_reads() -> None:
    document = f"{LOGIN}  outputs: [{{type: containers_auth, path: /x/}}]\n"

    assert output(document).path == Path("/x/auth.json")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("a/b", RELATIVE),
        ("./a", RELATIVE),
        ("~root/a", RELATIVE),
        ("$A", RELATIVE),
        ("''", RELATIVE),
        ("$NO/a", "holds $NO, which is not set"),
        ("/a/${EMPTY}/b", "holds $EMPTY, which is not set"),
        (r'"/a\0"', "holds a character that cannot be printed; expected a path without"),
        (
            "7",
            "7 is a number to YAML unless it is in quotes; expected an absolute path, or one that",
        ),
        ("[/a]", "is a list; expected an absolute path, or one that"),
    ],
)
def test_a_path_that_means_nothing_is_said(written: str, said: str) -> None:
    environ = {"A": "relative", "EMPTY": ""}
    document = f"{LOGIN}  outputs:\n  - type: docker_config\n    path: {written}\n"

    refused = refusal(document, environ=environ)

    assert refused.removesuffix(" begins with ~/") == (
        f"{FILE}:5: logins[0].outputs[0].path: {said}"
    )


def test_with_state_in_a_secret_no_directory_has_to_be_there() -> None:
    """Nobody's home, as in a pod."""
    document = "logins: [{region: a, outputs: [{type: docker_config, path: /a}]}]\n"
    document += "state: {secret: ci/state}\n"

    config = loaded(document, host=a_host(home=None)).config
    of_user = loaded(document, environ={"XDG_RUNTIME_DIR": "/run/user/7"}).config

    assert str(config.socket) == "/run/lightkeeper/control.sock"
    assert str(of_user.socket) == "/run/user/7/lightkeeper/control.sock"


def test_a_default_that_cannot_be_had_is_said_as_what_it_is() -> None:
    refused = refusal(LOGIN, host=a_host(home=None))

    assert refused.splitlines() == [
        f"{FILE}:1: state_dir (by default ~/.local/state/lightkeeper): {NO_HOME}",
        f"{FILE}:2: logins[0].outputs[0].path (by default ~/.docker/config.json): {NO_HOME}",
    ]


def test_the_sockets_default_follows_the_state_directory_and_not_its_mistakes() -> None:
    assert refusal(f"{LOGIN}state_dir: a\n") == f"{FILE}:3: state_dir: {RELATIVE}"
    assert refusal(f"{LOGIN}state_dir: a\nsocket: b\n").splitlines() == [
        f"{FILE}:3: state_dir: {RELATIVE}",
        f"{FILE}:4: socket: {RELATIVE}",
    ]


@pytest.mark.parametrize(
    ("login", "environ", "region"),
    [
        ("region: a", {"AWS_REGION": "b"}, "a"),
        ("profile: p", {"AWS_REGION": "b", "AWS_DEFAULT_REGION": "c"}, "b"),
        ("profile: p", {"AWS_REGION": "", "AWS_DEFAULT_REGION": "c"}, "c"),
        ("profile: p", {}, "of-profile"),
        ("verify: true", {}, "of-default"),
    ],
)
def test_the_region_is_configured_else_in_the_environment_else_of_the_profile(
    login: str, environ: dict[str, str], region: str
) -> None:
    host = a_host(regions={"p": "of-profile", None: "of-default"})

    config = loaded(f"logins: [{{{login}}}]", environ=environ, host=host).config

    assert (config.logins[0].region, config.logins[0].name) == (region, region)


def test_the_profile_is_not_looked_up_where_the_region_is_known() -> None:
    def look_up(profile: str | None) -> str:
        raise AssertionError(profile)

    host = Host(home=Path("/h"), uid=1, is_directory=lambda _: False, profile_region=look_up)

    assert loaded(LOGIN, host=host)
    assert loaded("logins: [{profile: p}]", environ={"AWS_REGION": "a"}, host=host)


def test_a_login_without_any_region_is_told_where_to_set_one() -> None:
    assert refusal("logins:\n- profile: p\n") == (
        f"{FILE}:2: logins[0].region: is missing; set it here, with --region, in AWS_REGION or in"
        " the AWS profile"
    )


def test_a_bad_region_from_outside_is_said_with_its_origin() -> None:
    says = "EU is not an AWS region such as eu-central-1"

    assert refusal("logins: [{}]", environ={"AWS_REGION": "EU"}) == f"AWS_REGION: {says}"
    assert refusal("logins: [{}]", host=a_host(regions={None: "EU"})) == (
        f"region of the AWS profile: {says}"
    )


@pytest.mark.parametrize(
    ("flag", "environ", "files", "found"),
    [
        ("/a", {"LIGHTKEEPER_CONFIG": "/b"}, {DEFAULT_FILE}, Path("/a")),
        (None, {"LIGHTKEEPER_CONFIG": "/b"}, {DEFAULT_FILE}, Path("/b")),
        (None, {"LIGHTKEEPER_CONFIG": ""}, {DEFAULT_FILE}, DEFAULT_FILE),
        (None, {}, {DEFAULT_FILE}, DEFAULT_FILE),
        (None, {}, set(), None),
    ],
)
def test_the_file_is_the_one_that_is_named_else_the_systems_if_it_is_there(
    flag: str | None, environ: dict[str, str], files: set[Path], found: Path | None
) -> None:
    assert config_file(flag, environ, exists=files.__contains__) == found
