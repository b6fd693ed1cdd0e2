"""What a configuration needs to be allowed in its clusters: no Secret but the ones it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from msgspec import Struct

from lightkeeper.config.model import Config, KubernetesSecret
from lightkeeper.core.namespaces import Choice

ACCOUNT: Final = "lightkeeper"
"""The ServiceAccount that is bound, in the namespace of the state or in one of that name."""
USER: Final = "USER-OF-THE-KUBECONFIG"
"""Stands where only the API server knows by which name it takes the user of a kubeconfig."""

Object: TypeAlias = dict[str, Any]
Rule: TypeAlias = dict[str, list[str]]

_GROUP: Final = "rbac.authorization.k8s.io"
_Where: TypeAlias = tuple[Path | None, str | None]
_OWN: Final[_Where] = (None, None)


class Grant(Struct, frozen=True, kw_only=True):
    """What one cluster has to allow, and whom."""

    kubeconfig: Path | None
    context: str | None
    subject: Object
    objects: Sequence[Object]
    """Roles and bindings, to be applied as they are once `USER` is replaced."""

    @property
    def is_own(self) -> bool:
        """Whether it is the cluster that Lightkeeper runs in."""
        return (self.kubeconfig, self.context) == _OWN


class _Rules:
    """Of one identity in one cluster, by namespace; those of the whole cluster have none."""

    def __init__(self) -> None:
        self._by_namespace: dict[str, list[Rule]] = {}

    def add(self, namespace: str, *rules: Rule) -> None:
        """Ask for these; what is asked for on the same objects already becomes one rule."""
        known = self._by_namespace.setdefault(namespace, [])
        for rule in rules:
            same = next((one for one in known if _objects(one) == _objects(rule)), None)
            if same is None:
                known.append(rule)
            else:
                same["verbs"] += [verb for verb in rule["verbs"] if verb not in same["verbs"]]

    def bound(self, subject: Object) -> Iterator[Object]:
        """Roles and bindings; those of the whole cluster come last."""
        for namespace in sorted(self._by_namespace, key=lambda one: not one):
            yield from _bound(self._by_namespace[namespace], subject, namespace)


def needed(config: Config) -> list[Grant]:
    """What each cluster has to allow; nothing where nothing is in a cluster."""
    rules: dict[_Where, _Rules] = {}
    for output in (output for login in config.logins for output in login.outputs):
        if isinstance(output, KubernetesSecret):
            where = (output.cluster.kubeconfig, output.cluster.context)
            _add_secrets(rules.setdefault(where, _Rules()), output)
    if config.state is not None and (secret := config.state.secret) is not None:
        rules.setdefault(_OWN, _Rules()).add(secret.namespace, _on(secret.name))
    if config.leader_election is not None:
        lease, group = config.leader_election.lease, "coordination.k8s.io"
        rules.setdefault(_OWN, _Rules()).add(
            lease.namespace,
            # Whose name is not known to the API server when it is made.
            _rule(group, "leases", ["create"]),
            _rule(group, "leases", ["get", "update"], lease.name),
        )
    account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": _home(config)}
    user = {"kind": "User", "apiGroup": _GROUP, "name": USER}
    return [
        Grant(
            kubeconfig=where[0],
            context=where[1],
            subject=(subject := account if where == _OWN else user),
            objects=list(each.bound(subject)),
        )
        for where, each in rules.items()
    ]


def _add_secrets(rules: _Rules, output: KubernetesSecret) -> None:
    rule = _on(output.secret)
    if output.deletes:
        rule["verbs"].append("delete")
    choice = Choice.of(output.namespaces, output.namespace_selector, output.exclude)
    if choice.selectors:
        rules.add("", rule, _rule("", "namespaces", ["list", "watch"]))
    else:
        for namespace in choice.names:
            rules.add(namespace, {**rule, "verbs": [*rule["verbs"]]})


def _home(config: Config) -> str:
    secret = config.state.secret if config.state else None
    return ACCOUNT if secret is None else secret.namespace


def _objects(rule: Rule) -> Rule:
    return {key: value for key, value in rule.items() if key != "verbs"}


def _on(secret: str) -> Rule:
    return _rule("", "secrets", ["get", "create", "patch"], secret)


def _rule(group: str, resource: str, verbs: list[str], name: str = "") -> Rule:
    named = {"resourceNames": [name]} if name else {}
    return {"apiGroups": [group], "resources": [resource], **named, "verbs": verbs}


def _bound(rules: list[Rule], subject: Object, namespace: str) -> Iterator[Object]:
    """A Role and its binding; of the whole cluster without a namespace."""
    kind = "Role" if namespace else "ClusterRole"
    metadata = {"name": ACCOUNT, **({"namespace": namespace} if namespace else {})}
    yield {"apiVersion": f"{_GROUP}/v1", "kind": kind, "metadata": metadata, "rules": rules}
    yield {
        "apiVersion": f"{_GROUP}/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": _GROUP, "kind": kind, "name": ACCOUNT},
        "subjects": [subject],
    }
