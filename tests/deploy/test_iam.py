"""The IAM policies are JSON that AWS takes, and allow what the daemon calls and no more."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lightkeeper.adapters.lightsail.data import OPERATION
from tests.deploy.rendering import DEPLOY, key_of, manifests, rendered

pytestmark = pytest.mark.timeout(300)  # kubectl may have to be fetched

IAM = DEPLOY / "iam"
POLICIES = sorted(IAM.glob("*.json"))
RENEW = f"lightsail:{OPERATION}"


def read(name: str) -> list[dict[str, Any]]:
    """The statements of one, whose keys may each stand there once."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len(dict(pairs)) == len(pairs), pairs
        return dict(pairs)

    document = json.loads((IAM / name).read_text(), object_pairs_hook=once)
    assert document.keys() == {"Version", "Statement"}
    assert document["Version"] == "2012-10-17"
    statements: list[dict[str, Any]] = document["Statement"]
    return statements


def _actions(name: str) -> set[str]:
    found = [statement["Action"] for statement in read(name)]
    return {one for action in found for one in ([action] if isinstance(action, str) else action)}


@pytest.mark.parametrize("name", [path.name for path in POLICIES])
def test_each_has_only_what_a_policy_has(name: str) -> None:
    is_trust = name.startswith("trust-")
    keys = {"Sid", "Effect", "Action", "Condition", "Principal" if is_trust else "Resource"}

    for statement in read(name):
        assert statement.keys() == keys
        assert statement["Effect"] == "Allow"
        assert re.fullmatch(r"[A-Za-z0-9]+", statement["Sid"])
        assert statement["Condition"].keys() == {"StringEquals"}
    assert "*" not in "".join(_actions(name))


def test_to_renew_takes_one_action() -> None:
    assert _actions("renew.json") == {RENEW}
    assert _actions("renew-and-register.json") == {RENEW, "lightsail:RegisterContainerImage"}


def test_the_roles_trust_the_service_account_of_the_manifests() -> None:
    accounts = [one for one in manifests(rendered("base")) if one["kind"] == "ServiceAccount"]
    (irsa,), (identity,) = read("trust-irsa.json"), read("trust-pod-identity.json")

    assert [key_of(one) for one in accounts] == ["ServiceAccount lightkeeper/lightkeeper"]
    issuer = irsa["Principal"]["Federated"].partition(":oidc-provider/")[2]
    assert irsa["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert irsa["Condition"]["StringEquals"] == {
        f"{issuer}:aud": "sts.amazonaws.com",
        f"{issuer}:sub": "system:serviceaccount:lightkeeper:lightkeeper",
    }
    assert identity["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert identity["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert identity["Condition"]["StringEquals"] == {
        "aws:RequestTag/kubernetes-namespace": "lightkeeper",
        "aws:RequestTag/kubernetes-service-account": "lightkeeper",
    }


def test_the_page_names_each() -> None:
    named = re.findall(r"^\| `([\w-]+\.json)`", (IAM / "README.md").read_text(), re.MULTILINE)

    assert sorted(named) == [path.name for path in POLICIES]
