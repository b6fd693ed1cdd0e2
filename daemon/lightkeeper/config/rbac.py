"""What a configuration needs to be allowed in its clusters: no Secret but the ones it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from lightkeeper.config.model import Config, KubernetesSecret
from lightkeeper.core.namespaces import Choice

ACCOUNT: Final = "lightkeeper"
"""The ServiceAccount that is bound, in the namespace of the state or in one of that name."""

Object = dict[str, Any]
Rule = dict[str, list[str]]


def needed(config: Config) -> list[Object]:
    """Roles and bindings, to be applied as they are; none where nothing is in a cluster."""
    home = _home(config)
    secrets = [
        output
        for login in config.logins
        for output in login.outputs
        if isinstance(output, KubernetesSecret)
    ]
    roles: dict[str, list[Rule]] = {}
    everywhere: list[Rule] = []
    for output in secrets:
        rule = _on(output.secret)
        if output.prune:
            rule["verbs"].append("delete")
        choice = Choice.of(output.namespaces, output.namespace_selector, output.exclude)
        if choice.selectors:
            everywhere += [rule, _rule("", "namespaces", ["list", "watch"])]
        else:
            for namespace in choice.names:
                roles.setdefault(namespace, []).append(rule)
    if config.state is not None and (secret := config.state.secret) is not None:
        roles.setdefault(secret.namespace, []).append(_on(secret.name))
    if config.leader_election is not None:
        lease, group = config.leader_election.lease, "coordination.k8s.io"
        roles.setdefault(lease.namespace, []).extend(
            [
                # Whose name is not known to the API server when it is made.
                _rule(group, "leases", ["create"]),
                _rule(group, "leases", ["get", "update"], lease.name),
            ]
        )
    return [
        *(one for namespace, rules in roles.items() for one in _bound(rules, home, namespace)),
        *(_bound(everywhere, home) if everywhere else ()),
    ]


def _home(config: Config) -> str:
    secret = config.state.secret if config.state else None
    return ACCOUNT if secret is None else secret.namespace


def _on(secret: str) -> Rule:
    return _rule("", "secrets", ["get", "create", "patch"], secret)


def _rule(group: str, resource: str, verbs: list[str], name: str = "") -> Rule:
    named = {"resourceNames": [name]} if name else {}
    return {"apiGroups": [group], "resources": [resource], **named, "verbs": verbs}


def _bound(rules: list[Rule], home: str, namespace: str = "") -> Iterator[Object]:
    """A Role and its binding; of the whole cluster without a namespace."""
    kind = "Role" if namespace else "ClusterRole"
    metadata = {"name": ACCOUNT, **({"namespace": namespace} if namespace else {})}
    api = "rbac.authorization.k8s.io"
    each = [rule for number, rule in enumerate(rules) if rule not in rules[:number]]
    yield {"apiVersion": f"{api}/v1", "kind": kind, "metadata": metadata, "rules": each}
    yield {
        "apiVersion": f"{api}/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": api, "kind": kind, "name": ACCOUNT},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": home}],
    }
