"""The JSON Schema and the example, held against what the loader takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lightkeeper.config import model
from lightkeeper.config.problem import ConfigErrors
from lightkeeper.config.schema import SCHEMA_FILE, Json, example, json_schema
from tests.config.loading import a_host, loaded

SCHEMA = json_schema()
TYPES = {"string": str, "boolean": bool, "array": list, "object": dict, "integer": int}
SILENT = {"$schema", "$defs", "title", "description", "default", "discriminator"}


def fits(value: object, schema: Json) -> bool:
    """Whether a value is valid, by the words that our schema uses; `KeyError` for any other."""
    return all(_fits(value, schema, word) for word in schema.keys() - SILENT)


def _fits(value: object, schema: Json, word: str) -> bool:
    told = schema[word]
    rules: dict[str, Callable[[], bool]] = {
        "$ref": lambda: fits(value, SCHEMA["$defs"][told.removeprefix("#/$defs/")]),
        "type": lambda: any(_is(value, one) for one in _several(told)),
        "enum": lambda: value in told,
        "const": lambda: value == told,
        "anyOf": lambda: any(fits(value, one) for one in told),
        "pattern": lambda: not isinstance(value, str) or re.search(told, value) is not None,
        "items": lambda: not isinstance(value, list) or all(fits(one, told) for one in value),
        "minimum": lambda: not isinstance(value, int) or value >= told,
        "maximum": lambda: not isinstance(value, int) or value <= told,
        "minItems": lambda: not isinstance(value, list) or len(value) >= told,
        "required": lambda: not isinstance(value, dict) or value.keys() >= set(told),
        "propertyNames": lambda: (
            not isinstance(value, dict) or all(fits(one, told) for one in value)
        ),
        "additionalProperties": lambda: (
            not isinstance(value, dict)
            or all(
                told and fits(one, told)
                for key, one in value.items()
                if key not in schema.get("properties", ())
            )
        ),
        "properties": lambda: (
            not isinstance(value, dict)
            or all(fits(one, told[key]) for key, one in value.items() if key in told)
        ),
    }
    return bool(rules[word]())


def _several(told: str | list[str]) -> list[str]:
    return [told] if isinstance(told, str) else told


def _is(value: object, kind: str) -> bool:
    """Whether it is one; to JSON, other than to Python, true is no number."""
    return isinstance(value, TYPES[kind]) and isinstance(value, bool) == (kind == "boolean")


def loads(document: str) -> bool:
    try:
        loaded(document, host=a_host(regions={None: "a"}))
    except ConfigErrors:
        return False
    return True


PATH: Final = ["/a", "~/a", "~", "a", "", 7, None, ["/a"]]
VALUES: Final[Mapping[str, Sequence[object]]] = {
    "name": ["prod", "a-1", "Prod", "", "a" * 64, 7, None],
    "region": ["eu-central-1", "EU", 7, True],
    "profile": ["p", "my profile", "", " p", None, False],
    "role_arn": ["arn:aws:iam::123456789012:role/a", "arn:aws-cn:iam::123456789012:role/a", "x"],
    "external_id": ["ab", "a", "a b", 12, None],
    "session_name": ["ab", "a/b", None],
    "endpoint_url": ["https://a", "http://[::1]:1/x", "https://u@a", "https://a:65536", "a", 7],
    "verify": [True, False, "true", 0, None],
    "outputs": [[], None, "x", ["x"], [{}], [{"type": "helper"}], [{"type": "docker_config"}]],
    "namespaces": [[], ["ci"], ["team-*", "a?"], ["-a"], ["A"], [7], ["a.b"], "ci", None, {}],
    "exclude": [[], ["kube-*"], ["", "a"], [None], "kube-system", None],
    "namespace_selector": ["a", "!a", "a=b,c!=d", "a in (b, c)", "a > 1", "", "a in b", None, 7],
    "labels": [{}, {"a": "b"}, {"x.y/a": ""}, {"a b": "c"}, {"lightkeeper.io/a": "b"}, [], None],
    "annotations": [{}, {"a": "b c"}, {"a": 7}, {"a": None}, {"/a": "b"}, {"a": {}}, "a", None],
    "cluster": [
        *({}, {"kubeconfig": "/a"}, {"context": "a"}, {"context": ""}, {"a": "b"}, None),
        *({"qps": one} for one in (1, "1", 9999, 10_000, 0, -1, 2.5, "none", None, True, "x")),
    ],
    "merge": [True, False, "yes"],
    "prune": [True, False, None],
    "secret": ["push", "a.b", "a" * 253, "a" * 254, "A", "a..b", "-a", "ci/push", "", 7, None],
    "state": [{"secret": "ci/a"}, {"secret": "a"}, {"secret": "a/b/c"}, {}, "ci/a", None],
    "lease": ["ci/a", "ci/a.b", "a", "/a", "ci/", "a.b/c", "A/b", None],
    "duration": ["60s", "2m", "31s", "1h", 60, "0s", "60", "1.5m", None],
    "renew_deadline": ["20s", "10s", "20", 20, None],
    "retry": ["5s", "1s", "05s", "5 s", None],
    "path": PATH,
    "if_foreign": ["replace", "report", "keep", None],
    "file_mode": ["0600", "640", "0644", "0700", 600, None],
    "in_place": [True, False, "no", 1],
    "seed": ["/s", "~/s", "s", "", 7, None],
    "at": ["50%", "20%", "90%", "90.5%", "19%", "100%", 0.5, "5e1%"],
    "spread": ["0%", "15%", "15.5%", "1.5%", 10, None],
    "listen": ["none", "127.0.0.1:9780", "[::1]:0", "a:65536", ":1", "9780", None, 9780],
    "format": ["auto", "console", "json", "xml"],
    "level": ["debug", "warn", "info", True],
    "state_dir": PATH,
    "socket": PATH,
    "logins": [[], None, {}, ["x"], [{}]],
    "renewal": [{}, None, [], "50%"],
    "web": [{}, None, "none"],
    "log": [{}, None, "json"],
    "type": ["docker_config", "containers_auth", "docker", None, "kubernetes"],
    "regoin": ["a"],
}


def mappings(*keys: str, **fixed: object) -> st.SearchStrategy[dict[str, Any]]:
    chosen = {key: st.sampled_from(VALUES[key]) for key in keys}
    return st.fixed_dictionaries(
        {key: st.just(value) for key, value in fixed.items()}, optional=chosen
    )


FILE_KEYS = ("name", "if_foreign", "file_mode", "in_place", "seed", "path", "regoin")
SECRET_KEYS = (
    *("name", "if_foreign", "secret", "exclude", "labels", "annotations", "cluster", "merge"),
    *("prune", "regoin", "path"),
)
OUTPUTS = st.one_of(
    mappings(*FILE_KEYS, type="docker_config"),
    mappings(*FILE_KEYS, "type"),
    mappings(*SECRET_KEYS, "namespace_selector", type="kubernetes_secret", namespaces=["ci"]),
    mappings(*SECRET_KEYS, "namespaces", type="kubernetes_secret", namespace_selector="a"),
)
ELECTIONS = mappings("duration", "renew_deadline", "retry", "regoin", lease="ci/a") | mappings(
    "lease"
)
LOGIN_KEYS = ("name", "profile", "external_id", "session_name", "endpoint_url", "verify", "outputs")
LOGINS = mappings(*LOGIN_KEYS, region="a", role_arn="arn:aws:iam::123456789012:role/a")
DOCUMENTS = st.one_of(
    OUTPUTS.map(lambda one: {"logins": [{"region": "a", "outputs": [one]}]}),
    LOGINS.map(lambda one: {"logins": [one]}),
    mappings("region", "role_arn", "regoin").map(lambda one: {"logins": [{"region": "a"} | one]}),
    mappings("at", "spread", "regoin").map(lambda one: {"renewal": one}),
    mappings("listen", "regoin").map(lambda one: {"web": one}),
    mappings("format", "level", "regoin").map(lambda one: {"log": one}),
    mappings("state_dir", "socket", "logins", "renewal", "web", "log", "regoin"),
    mappings("state"),
    ELECTIONS.map(lambda one: {"state": {"secret": "ci/a"}, "leader_election": one}),
).map(lambda document: {"logins": [{"region": "a"}]} | document)


@given(DOCUMENTS)
def test_an_editor_takes_what_the_loader_takes(document: dict[str, Any]) -> None:
    """Beyond the schema is only what compares values or needs the environment."""
    assert fits(document, SCHEMA) == loads(yaml.safe_dump(document)), document


STRUCTS = [
    model.Config,
    model.Login,
    model.DockerConfig,
    model.ContainersAuth,
    model.KubernetesSecret,
    model.WhichCluster,
    model.State,
    model.LeaderElection,
    model.Renewal,
    model.Web,
    model.Log,
]


@pytest.mark.parametrize("kind", STRUCTS)
def test_the_schema_has_every_key_with_what_it_means(kind: type[msgspec.Struct]) -> None:
    written = SCHEMA["$defs"][kind.__name__]["properties"]

    assert written.keys() - {"type"} == set(kind.__struct_fields__)
    assert all(written[key]["description"] for key in kind.__struct_fields__)


def test_the_schema_says_defaults_as_they_are_typed() -> None:
    written = {
        key: field["default"]
        for kind in STRUCTS
        for key, field in SCHEMA["$defs"][kind.__name__]["properties"].items()
        if "default" in field
    }

    assert written == {
        "session_name": "lightkeeper",
        "verify": True,
        "if_foreign": "report",
        "secret": "lightsail-push",
        "namespaces": (),
        "exclude": (),
        "labels": {},
        "annotations": {},
        "merge": False,
        "prune": False,
        "qps": 20,
        "duration": "30s",
        "renew_deadline": "20s",
        "retry": "5s",
        "file_mode": "0600",
        "in_place": False,
        "at": "50%",
        "spread": "10%",
        "listen": "127.0.0.1:9780",
        "format": "auto",
        "level": "info",
    }
    assert SCHEMA["$defs"]["DockerConfig"]["properties"]["if_foreign"]["default"] == "replace"


def in_full() -> Json:
    """The example with each key that is commented out put to use."""
    full = yaml.safe_load(re.sub(r"(?m)^( *)# ( *(- )?[a-z_]+:)", r"\1\2", example()))
    assert isinstance(full, dict)
    return full


def without(tree: Json, *keys: str) -> str:
    return yaml.safe_dump({key: value for key, value in tree.items() if key not in keys})


ON_DISK = without(in_full(), "state", "leader_election")
IN_A_CLUSTER = without(in_full(), "state_dir")
"""Only one of them says where state is kept."""


def keys_of(node: object) -> Iterator[str]:
    match node:
        case dict():
            for key, value in node.items():
                yield key
                yield from keys_of(value)
        case list():
            for item in node:
                yield from keys_of(item)
        case _:
            pass


@pytest.mark.parametrize("document", [example(), ON_DISK, IN_A_CLUSTER])
def test_the_example_loads_without_a_warning(document: str) -> None:
    assert loaded(document).warnings == ()
    assert fits(yaml.safe_load(document), SCHEMA)


def test_the_example_has_every_key() -> None:
    written = set(keys_of(in_full()))

    assert written == {"type"} | {key for kind in STRUCTS for key in kind.__struct_fields__}


def test_the_example_shows_the_defaults_where_it_says_so() -> None:
    as_it_is, full = loaded(example()).config, loaded(IN_A_CLUSTER).config

    assert (full.renewal, full.web, full.log) == (model.Renewal(), model.Web(), model.Log())
    assert (full.renewal, full.web, full.log) == (as_it_is.renewal, as_it_is.web, as_it_is.log)
    assert full.leader_election
    assert full.leader_election == model.LeaderElection(lease=full.leader_election.lease)
    told, left_out = full.logins[0], as_it_is.logins[0]
    assert (told.session_name, told.verify) == (left_out.session_name, left_out.verify)
    *outputs, secret = told.outputs
    for one, other in zip(outputs, left_out.outputs, strict=True):
        assert isinstance(one, model.FileOutput)
        assert msgspec.structs.replace(one, name=other.name, seed=None) == other
    assert isinstance(secret, model.KubernetesSecret)
    own = ("name", "namespaces", "namespace_selector", "cluster")
    assert secret == model.KubernetesSecret(**{key: getattr(secret, key) for key in own})


def test_the_example_names_its_schema_to_editors() -> None:
    first = example().splitlines()[0]

    assert first == f"# yaml-language-server: $schema={SCHEMA_FILE}"
