"""What a configuration needs to be allowed, and nothing beside it."""

from __future__ import annotations

from lightkeeper.config.rbac import needed
from tests.config.loading import loaded

LOGIN = "logins:\n  - region: eu-central-1\n    outputs:\n"


def rules(text: str) -> dict[tuple[str, str], list[tuple[str, tuple[str, ...], tuple[str, ...]]]]:
    """By kind and namespace of each role: resource, names and verbs."""
    return {
        (one["kind"], one["metadata"].get("namespace", "")): [
            (rule["resources"][0], tuple(rule.get("resourceNames", ())), tuple(rule["verbs"]))
            for rule in one["rules"]
        ]
        for one in needed(loaded(text).config)
        if "rules" in one
    }


def test_files_need_nothing() -> None:
    assert needed(loaded(f"{LOGIN}      - type: docker_config\n").config) == []


def test_named_namespaces_need_a_role_each_for_one_secret() -> None:
    text = f"{LOGIN}      - {{type: kubernetes_secret, namespaces: [ci, build], secret: push}}\n"

    one = [("secrets", ("push",), ("get", "create", "patch"))]
    assert rules(text) == {("Role", "ci"): one, ("Role", "build"): one}


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
    bindings = [one for one in needed(loaded(text).config) if one["kind"] == "RoleBinding"]
    assert {one["subjects"][0]["namespace"] for one in bindings} == {"lk"}
