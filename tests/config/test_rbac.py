"""What a configuration needs to be allowed, and nothing beside it."""

from __future__ import annotations

import json

import pytest

from lightkeeper.config.rbac import USER, Object, needed
from tests.config.loading import loaded

OUTPUT = "      - {type: kubernetes_secret"
LOGIN = "logins:\n  - region: eu-central-1\n    outputs:\n"


def rules(text: str) -> dict[tuple[str, str], list[tuple[str, tuple[str, ...], tuple[str, ...]]]]:
    """By kind and namespace of each role: resource, names and verbs."""
    return {
        (one["kind"], one["metadata"].get("namespace", "")): [
            (rule["resources"][0], tuple(rule.get("resourceNames", ())), tuple(rule["verbs"]))
            for rule in one["rules"]
        ]
        for one in objects(text)
        if "rules" in one
    }


def objects(text: str) -> list[Object]:
    """Of the one cluster that something is needed of."""
    (grant,) = needed(loaded(text).config)
    return [*grant.objects]


def test_files_need_nothing() -> None:
    assert needed(loaded(f"{LOGIN}      - type: docker_config\n").config) == []


def test_named_namespaces_need_a_role_each_for_one_secret() -> None:
    text = f"{LOGIN}      - {{type: kubernetes_secret, namespaces: [ci, build], secret: push}}\n"

    one = [("secrets", ("push",), ("get", "create", "patch"))]
    assert rules(text) == {("Role", "ci"): one, ("Role", "build"): one}


@pytest.mark.parametrize(("merge", "more"), [("false", ("delete",)), ("true", ())])
def test_pruning_needs_to_delete_what_is_not_shared(merge: str, more: tuple[str, ...]) -> None:
    text = f"{OUTPUT}, namespaces: [ci], prune: true, merge: {merge}}}\n"

    one = ("secrets", ("lightsail-push",), ("get", "create", "patch", *more))
    assert rules(LOGIN + text) == {("Role", "ci"): [one]}


def test_patterns_need_to_list_namespaces_and_the_one_name_everywhere() -> None:
    text = f'{LOGIN}      - {{type: kubernetes_secret, namespaces: ["team-*"]}}\n'

    assert rules(text) == {
        ("ClusterRole", ""): [
            ("secrets", ("lightsail-push",), ("get", "create", "patch")),
            ("namespaces", (), ("list", "watch")),
        ]
    }


def test_replicas_need_their_state_and_their_lease() -> None:
    text = (
        f"{LOGIN}      - {{type: kubernetes_secret, namespaces: [ci]}}\n"
        "state: {secret: lk/state}\nleader_election: {lease: lk/lease}\n"
    )

    assert rules(text)["Role", "lk"] == [
        ("secrets", ("state",), ("get", "create", "patch")),
        ("leases", (), ("create",)),
        ("leases", ("lease",), ("get", "update")),
    ]
    bindings = [one for one in objects(text) if one["kind"] == "RoleBinding"]
    assert {one["subjects"][0]["namespace"] for one in bindings} == {"lk"}


def test_each_cluster_grants_what_is_asked_of_it_and_to_who_asks_there() -> None:
    text = (
        f"{LOGIN}"
        f"{OUTPUT}, namespaces: [a], cluster: {{context: x}}}}\n"
        f"{OUTPUT}, name: y, namespaces: [b], cluster: {{kubeconfig: /k, context: y}}}}\n"
        f"{OUTPUT}, namespaces: [c], cluster: {{context: x}}, secret: other}}\n"
        "state: {secret: lk/state}\n"
    )

    x, y, own = needed(loaded(text).config)

    assert [str(one.kubeconfig) for one in (x, y, own)] == ["None", "/k", "None"]
    assert [one.context for one in (x, y, own)] == ["x", "y", None]
    assert [one.is_own for one in (x, y, own)] == [False, False, True]
    for grant, namespaces in ((x, ["a", "c"]), (y, ["b"]), (own, ["lk"])):
        assert [one["metadata"]["namespace"] for one in grant.objects[::2]] == namespaces
        assert all(one["subjects"] == [grant.subject] for one in grant.objects[1::2])
    assert x.subject == y.subject
    assert (x.subject["kind"], x.subject["name"]) == ("User", USER)
    assert own.subject == {"kind": "ServiceAccount", "name": "lightkeeper", "namespace": "lk"}


@pytest.mark.parametrize("pruned", ["team-*", "ci-*"])
def test_a_secret_that_one_of_two_outputs_prunes_is_named_by_one_rule(pruned: str) -> None:
    text = LOGIN
    for one in ("team-*", "ci-*"):
        prune = json.dumps(one == pruned)
        text += f'{OUTPUT}, name: of-{one[:-2]}, namespaces: ["{one}"], prune: {prune}}}\n'

    assert rules(text) == {
        ("ClusterRole", ""): [
            ("secrets", ("lightsail-push",), ("get", "create", "patch", "delete")),
            ("namespaces", (), ("list", "watch")),
        ]
    }
