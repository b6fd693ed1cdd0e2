"""Values that are not taken, each with the sentence that people see."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lightkeeper.config.model import Log
from lightkeeper.config.problem import ConfigErrors, Problem
from lightkeeper.config.reading import Reader
from lightkeeper.config.tree import Keys, Text, Where
from tests.config.loading import FILE, files, loaded, refusal

LOGIN = "logins:\n- region: eu-central-1\n"
OUTPUT = f"{LOGIN}  outputs:\n  - type: docker_config\n    path: /a\n"

NAME = "a name of at most 63 lower-case letters, digits and hyphens"
REGION = "an AWS region such as eu-central-1"
MODE = 'a mode that shuts other users out, such as "0600"'
URL = "an http or https address with a host, and without user, password, ? and #"
LISTEN = "HOST:PORT such as 127.0.0.1:9780, port 65535 at most, or none"
AT = "a percentage from 20% to 90%, such as 50%"
QUOTES = "to YAML unless it is in quotes"
LOGIN_KEYS = (
    "name, region, profile, role_arn, external_id, session_name, endpoint_url, verify, outputs"
)
KEYS = "logins, renewal, web, state_dir, state, leader_election, socket, log"
TYPES = "docker_config, containers_auth, kubernetes_secret"
BOOL = "true or false without quotes"

BAD_IN_LOGIN = [
    ("name: Prod", f"name: Prod is not {NAME}"),
    ("name: -a", f"name: -a is not {NAME}"),
    (f"name: {'a' * 64}", f"name: the value is not {NAME}"),
    ("name: ''", f"name: is empty; expected {NAME}"),
    ("name: no", f"name: no is a yes-or-no word {QUOTES}; expected {NAME}"),
    ("name: 1:30", f"name: 1:30 is a number {QUOTES}; expected {NAME}"),
    ("name: 7", f"name: 7 is a number {QUOTES}; expected {NAME}"),
    ("name: 1.5", f"name: 1.5 is a number {QUOTES}; expected {NAME}"),
    ("name: 2026-01-01", f"name: 2026-01-01 is a date {QUOTES}; expected {NAME}"),
    ("name:", f"name: is empty; expected {NAME}"),
    ("name: ~", f"name: is empty; expected {NAME}"),
    ("name: [a]", f"name: is a list; expected {NAME}"),
    ("name: {a: b}", f"name: is a mapping; expected {NAME}"),
    ("name: !x a", f"name: a is a value with a tag {QUOTES}; expected {NAME}"),
    (r'name: "a\n"', f"name: holds a character that cannot be printed; expected {NAME}"),
    ("profile: ' a'", "profile: the value is not the name of an AWS profile"),
    (
        "role_arn: push",
        "role_arn: push is not a role such as arn:aws:iam::123456789012:role/push",
    ),
    ("verify: no", f"verify: no is not accepted; expected {BOOL}"),
    ("verify: 'true'", f"verify: true is not accepted; expected {BOOL}"),
    ("verify: 1", f"verify: 1 is not accepted; expected {BOOL}"),
    ("verify:", f"verify: is empty; expected {BOOL}"),
    ("endpoint_url: ftp://a", f"endpoint_url: the value is not {URL}"),
    ("endpoint_url: http://", f"endpoint_url: the value is not {URL}"),
    ("endpoint_url: https://u:p@a", f"endpoint_url: the value is not {URL}"),
    ("endpoint_url: https://a?b=c", f"endpoint_url: the value is not {URL}"),
    ("endpoint_url: https://a:65536", f"endpoint_url: the value is not {URL}"),
    ("outputs: []", "outputs: is empty; expected at least one"),
    ("outputs:", "outputs: is empty; expected a list"),
    ("outputs: /a", "outputs: is a text; expected a list"),
    ("outputs: [/a]", "outputs[0]: is a text; expected a mapping"),
    (
        "outputs: [{path: /a}]",
        f"outputs[0].type: is missing; expected one of {TYPES}",
    ),
    (
        "outputs: [{type: docker}]",
        "outputs[0].type: docker is not known; did you mean docker_config?",
    ),
    (
        "outputs: [{type: [x]}]",
        f"outputs[0].type: is a list; expected one of {TYPES}",
    ),
    ("regoin: a", "regoin: is not a key of this; did you mean region?"),
    (
        "hobby: a",
        f"hobby: is not a key of this; expected one of {LOGIN_KEYS}",
    ),
]


@pytest.mark.parametrize(("line", "said"), BAD_IN_LOGIN)
def test_a_bad_value_of_a_login_is_said_with_its_line_and_key(line: str, said: str) -> None:
    assert refusal(f"{LOGIN}  {line}\n") == f"{FILE}:3: logins[0].{said}"


BAD_IN_OUTPUT = [
    ("file_mode: 0600", f"file_mode: 0600 is a number {QUOTES}; expected {MODE}"),
    ("file_mode: '0644'", f"file_mode: 0644 is not {MODE}"),
    ("file_mode: '0604'", f"file_mode: 0604 is not {MODE}"),
    ("file_mode: '0400'", f"file_mode: 0400 is not {MODE}"),
    ("file_mode: '0700'", f"file_mode: 0700 is not {MODE}"),
    ("file_mode: 0o600", f"file_mode: 0o600 is not {MODE}"),
    ("if_foreign: keep", "if_foreign: keep is not known; expected one of replace, report"),
    ("if_foreign: reprot", "if_foreign: reprot is not known; did you mean report?"),
    ("in_place: on", f"in_place: on is not accepted; expected {BOOL}"),
    ("seed: s", "seed: is not an absolute path; expected one that begins with / or ~/"),
    ("seed:", "seed: is empty; expected an absolute path, or one that begins with ~/"),
    ("name: ''", "name: is empty; expected a name for the label `output`"),
    ("pth: /b", "pth: is not a key of this; did you mean path?"),
]


@pytest.mark.parametrize(("line", "said"), BAD_IN_OUTPUT)
def test_a_bad_value_of_an_output_is_said_with_its_line_and_key(line: str, said: str) -> None:
    assert refusal(f"{OUTPUT}    {line}\n") == f"{FILE}:6: logins[0].outputs[0].{said}"


BAD_AT_TOP = [
    ("renewal: {at: 0.5}", f"renewal.at: 0.5 is a number {QUOTES}; expected {AT}"),
    ("renewal: {at: 50}", f"renewal.at: 50 is a number {QUOTES}; expected {AT}"),
    ("renewal: {at: 19.9%}", f"renewal.at: 19.9% is not {AT}"),
    ("renewal: {at: 90.5%}", f"renewal.at: 90.5% is not {AT}"),
    ("renewal: {spread: 16%}", "renewal.spread: 16% is not a percentage from 0% to 15%"),
    ("renewal: {spread: none}", "renewal.spread: none is not a percentage from 0% to 15%"),
    ("renewal: 50%", "renewal: is a text; expected a mapping"),
    ("web:", "web: is empty; expected a mapping"),
    ("web: {listen: 9780}", f"web.listen: 9780 is a number {QUOTES}; expected {LISTEN}"),
    ("web: {listen: ':9780'}", f"web.listen: :9780 is not {LISTEN}"),
    ("web: {listen: 'a:65536'}", f"web.listen: a:65536 is not {LISTEN}"),
    ("web: {listen: a}", f"web.listen: a is not {LISTEN}"),
    ("log: {level: debg}", "log.level: debg is not known; did you mean debug?"),
    ("log: {format: xml}", "log.format: xml is not known; expected one of auto, console, json"),
    ("log: [json]", "log: is a list; expected a mapping"),
    ("sate_dir: /a", "sate_dir: is not a key of this; did you mean state_dir?"),
    (
        "<<: {web: {}}",
        f"<<: is not a key of this; expected one of {KEYS}",
    ),
]


@pytest.mark.parametrize(("line", "said"), BAD_AT_TOP)
def test_a_bad_value_at_the_top_is_said_with_its_line_and_key(line: str, said: str) -> None:
    said = said.replace("<<: is", "a key: is")
    assert refusal(f"{LOGIN}{line}\n") == f"{FILE}:3: {said}"


@pytest.mark.parametrize(
    ("logins", "said"),
    [
        ("logins:", "logins: is empty; expected a list"),
        ("logins: []", "logins: is empty; expected at least one"),
        ("logins: {prod: {}}", "logins: is a mapping; expected a list"),
        ("logins: [eu-central-1]", "logins[0]: is a text; expected a mapping"),
    ],
)
def test_logins_are_a_list_of_mappings(logins: str, said: str) -> None:
    assert refusal(logins) == f"{FILE}:1: {said}"


GOOD = [
    ("{at: 20%, spread: 0%}", 0.2, 0.0),
    ("{at: 90%, spread: 15%}", 0.9, 0.15),
    ("{at: 66.6%, spread: 14.5%}", 0.666, 0.145),
    ("{}", 0.5, 0.1),
]


@pytest.mark.parametrize(("renewal", "at", "spread"), GOOD)
def test_percentages_become_shares_up_to_their_bounds(
    renewal: str, at: float, spread: float
) -> None:
    read = loaded(f"{LOGIN}renewal: {renewal}").config.renewal

    assert [float(read.at), float(read.spread)] == pytest.approx([at, spread])


@pytest.mark.parametrize("mode", ["0600", "600", "0620", "0640", "0660"])
def test_modes_that_shut_other_users_out_are_taken(mode: str) -> None:
    (output,) = files(loaded(f"{OUTPUT}    file_mode: '{mode}'\n").config.logins[0])

    assert output.file_mode == int(mode, 8)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("0.0.0.0:80", "0.0.0.0", 80),  # noqa: S104 - read, not bound
        ("localhost:0", "localhost", 0),
        ("'[::1]:65535'", "::1", 65535),
    ],
)
def test_a_listener_is_told_apart_into_host_and_port(text: str, host: str, port: int) -> None:
    listen = loaded(f"{LOGIN}web: {{listen: {text}}}").config.web.listen

    assert listen is not None
    assert (listen.host, listen.port) == (host, port)


@pytest.mark.parametrize(
    "host",
    [
        *("a..b", ".a", "x" * 64, f"a.{'x' * 64}.b", "a b", "[.]", "[1..2]", "[ab]", "[::1"),
        *("[111.2.3.4]", "[" + "f" * 64 + ":]"),
    ],
)
def test_a_host_that_no_resolver_takes_is_refused_at_load(host: str) -> None:
    said = refusal(f"{LOGIN}web: {{listen: '{host}:9780'}}")

    assert said.startswith(f"{FILE}:3: web.listen: ")
    assert said.endswith(f" is not {LISTEN}")


@given(st.text("a0fF.:-_[]", max_size=70))
@example("localhost.")
@example("_a.b_c-d.0")
@example("[::ffff:127.0.0.1]")
def test_every_host_that_is_taken_can_be_asked_for(host: str) -> None:
    """The resolver's encoding raises what is no OSError, and nobody expects."""
    try:
        listen = loaded(f"{LOGIN}web: {{listen: '{host}:1'}}").config.web.listen
    except ConfigErrors:
        return

    assert listen is not None
    assert listen.host.encode("idna")


def test_the_word_none_switches_the_listener_off() -> None:
    assert loaded(f"{LOGIN}web: {{listen: none}}").config.web.listen is None


def test_the_word_none_is_a_name_where_nothing_is_to_be_switched_off() -> None:
    assert loaded(f"{LOGIN}  profile: none\n").config.logins[0].profile == "none"


@pytest.mark.parametrize("word", ["true", "True", "TRUE"])
def test_true_is_true_however_yaml_writes_it(word: str) -> None:
    (output,) = files(loaded(f"{OUTPUT}    in_place: {word}\n").config.logins[0])

    assert output.in_place is True


def test_a_struct_with_a_problem_is_none_and_the_problem_is_kept() -> None:
    problems: list[Problem] = []
    where = Where("f", 2, "log.level")

    log = Reader(problems).struct(Keys(Where("f", 1, "log"), {"level": Text(where, "x")}), Log)

    assert log is None
    assert [(one.line, one.key) for one in problems] == [(2, "log.level")]


def test_what_is_wrong_beside_an_unknown_type_is_said_with_it() -> None:
    """Else each mistake costs a round."""
    said = refusal(
        f"{LOGIN}  outputs:\n  - {{type: dockerr, path: here, file_mode: '0777', in_place: maybe,\n"
        "     if_foreign: nope, pathh: /a}\n"
    )

    keys = [line.split(": ")[1].rpartition(".")[2] for line in said.splitlines()]
    assert sorted(keys) == ["file_mode", "if_foreign", "in_place", "path", "pathh", "type"]
