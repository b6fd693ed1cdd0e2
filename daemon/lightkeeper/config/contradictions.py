"""What is right by itself and cannot be so beside something else: rules that compare values.

They look at a completed tree, whatever else is wrong with it, so that all is said at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations, product
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from lightkeeper.config.model import (
    NONE,
    ContainersAuth,
    DockerConfig,
    FileOutput,
    KubernetesSecret,
    LeaderElection,
    State,
)
from lightkeeper.config.problem import Problem
from lightkeeper.config.reading import Reader
from lightkeeper.config.tree import Items, Keys, Node, Where, mappings, text_of
from lightkeeper.config.values import ObjectName
from lightkeeper.core.namespaces import Choice

S = TypeVar("S", bound=msgspec.Struct)

_FILES: Final[Mapping[str, type[FileOutput]]] = {
    str(kind.__struct_config__.tag): kind for kind in (DockerConfig, ContainersAuth)
}
_SECRETS: Final[Mapping[str, type[KubernetesSecret]]] = {
    str(KubernetesSecret.__struct_config__.tag): KubernetesSecret
}
_MARKS: Final = ("labels", "annotations")
_WAYS: Final = (*_MARKS, "if_foreign", "merge")
"""How a login's entry stands in a Secret: who looks after it by other ways finds it changed."""
_SOURCE: Final = ("region", "profile", "role_arn", "endpoint_url")
_MOST_ANNOTATED: Final = 248 << 10
"""Kubernetes takes 256 KiB of annotations; this leaves room for our own."""


def contradictions(tree: Keys) -> Iterator[Problem]:
    """What must be told apart and cannot be, and what does not go together."""
    logins = mappings(tree, "logins")
    yield from _alike(logins, _SOURCE, "asks the same source as {}; expected one login for both")
    yield from _alike(logins, ("name",), "has the name of {}; expected another name")
    for login in logins:
        outputs = mappings(login, "outputs")
        yield from _alike(outputs, ("path",), "is the same file as {}; expected it once")
        yield from _alike(outputs, ("name",), "has the name of {}; expected another name")
    yield from _unlike([output for login in logins for output in mappings(login, "outputs")])
    state = _read(tree.entries.get("state"), State)
    yield from _same_secrets(logins, state.secret if state else None)
    yield from _unlike_secrets(logins)
    yield from _annotated(logins)
    yield from _election(tree)


def _unlike(outputs: list[Keys]) -> Iterator[Problem]:
    """Outputs of one file, whichever their logins, that want it written in different ways."""
    first: dict[Path, tuple[Where, FileOutput]] = {}
    for node in outputs:
        output = _read(node, _FILES.get(text_of(node, "type") or ""))
        if output is None:
            continue
        if output.seed == output.path:
            yield node.entries["seed"].where.problem("is the output's own file; expected another")
        where, other = first.setdefault(output.path, (node.where, output))
        if output.seed != other.seed:
            at = node.entries.get("seed", node).where
            message = "has another seed than the same file in"
            yield at.problem(f"{message} {where.named}; expected the same for both")
        for key, said, before in (
            ("file_mode", output.file_mode, other.file_mode),
            ("in_place", output.in_place, other.in_place),
        ):
            if said != before:
                here, there = str(said).lower(), str(before).lower()
                message = f"is {here}, but {there} for the same file in {where.named}"
                at = node.entries[key].where if key in node.entries else node.where.below(key)
                yield at.problem(f"{message}; expected the same for both")


def _alike(nodes: list[Keys], keys: tuple[str, ...], message: str) -> Iterator[Problem]:
    first: dict[tuple[str | None, ...], Where] = {}
    for node in nodes:
        values = tuple(text_of(node, key) for key in keys)
        if values not in first:
            first[values] = node.where
        elif values[0] is not None:
            yield node.where.problem(message.format(first[values].named))


class _Chosen(msgspec.Struct, frozen=True):
    """A Secret that an output chooses by its namespace's name."""

    where: Where
    login: int
    namespace: str
    output: KubernetesSecret

    @property
    def name(self) -> str:
        return f"{self.namespace}/{self.output.secret}"


def _chosen(logins: list[Keys]) -> Iterator[_Chosen]:
    for i, login in enumerate(logins):
        for node in mappings(login, "outputs"):
            output = _read(node, _SECRETS.get(text_of(node, "type") or ""))
            items = node.entries.get("namespaces")
            if output is not None and isinstance(items, Items):
                for item, namespace in zip(items.items, output.namespaces, strict=True):
                    if not {"*", "?"} & set(namespace):
                        yield _Chosen(item.where, i, namespace, output)


def _same_secrets(logins: list[Keys], state: ObjectName | None) -> Iterator[Problem]:
    """Secrets that are chosen more than once, as far as it shows before patterns are followed."""
    first: dict[tuple[Path | None, str | None, str], _Chosen] = {}
    for one in _chosen(logins):
        cluster = one.output.cluster
        if one.name == state and not cluster.kubeconfig and not cluster.context:
            yield one.where.problem("is the Secret that `state` names; expected another")
        other = first.setdefault((cluster.kubeconfig, cluster.context, one.name), one)
        if other is not one and (wrong := _unshared(one, other)):
            same = f"is the same Secret as {other.where.named}"
            yield one.where.problem(f"{same}{wrong}")


def _unshared(one: _Chosen, other: _Chosen) -> str:
    """Why two outputs cannot have one Secret; empty if they can."""
    if one.login == other.login:
        return "; expected it once"
    if not (one.output.merge and other.output.merge):
        return " for another login; expected merge: true for both, or two Secrets"
    for key in _MARKS:
        if getattr(one.output, key) != getattr(other.output, key):
            return f", which has other {key}; expected the same for both"
    return ""


def _unlike_secrets(logins: list[Keys]) -> Iterator[Problem]:
    """Outputs that may find the same Secret by patterns or selectors, and want it otherwise."""
    found = [
        (login, node, output)
        for login in logins
        for node in mappings(login, "outputs")
        if (output := _read(node, _SECRETS.get(text_of(node, "type") or ""))) is not None
    ]
    for (of_other, first, other), (of_one, node, one) in combinations(found, 2):
        if of_one is not of_other and not (one.merge and other.merge):
            continue  # one of the two logins keeps it from the other
        if _place(one) == _place(other) and _may_find(one, other):
            for key in _WAYS if of_one is of_other else _MARKS:
                if getattr(one, key) != getattr(other, key):
                    at = node.entries[key].where if key in node.entries else node.where.below(key)
                    differs = "differ from those" if key in _MARKS else "differs from that"
                    yield at.problem(
                        f"{differs} of {first.where.named}, which may find the same"
                        " Secret; expected the same for both"
                    )


def _place(output: KubernetesSecret) -> tuple[Path | None, str | None, str]:
    return (output.cluster.kubeconfig, output.cluster.context, output.secret)


def _may_find(one: KubernetesSecret, other: KubernetesSecret) -> bool:
    """Whether two outputs may meet in a namespace that they do not both name."""
    a, b = (
        Choice.of(each.namespaces, each.namespace_selector, each.exclude) for each in (one, other)
    )
    if not {*a.names}.isdisjoint(b.names):
        return False  # which is told of the name
    if _finds(a, b.names) or _finds(b, a.names):
        return True
    if a.selector is not None or b.selector is not None:
        return bool(a.selectors and b.selectors)
    return any(_meet(*pair) for pair in product(a.patterns, b.patterns))


def _finds(choice: Choice, names: tuple[str, ...]) -> bool:
    """Whether a pattern or selector may find one of these, none of which is named itself."""
    selected = () if choice.selector is None else names
    return not {*names}.isdisjoint(choice.of_these(names, selected))


def _meet(one: str, other: str) -> bool:
    """Whether a name may fit both patterns, by how these begin and end."""
    a, b = (re.split(r"[*?]", pattern) for pattern in (one, other))
    begin = a[0].startswith(b[0]) or b[0].startswith(a[0])
    return begin and (a[-1].endswith(b[-1]) or b[-1].endswith(a[-1]))


def _annotated(logins: list[Keys]) -> Iterator[Problem]:
    for login in logins:
        for node in mappings(login, "outputs"):
            output = _read(node, _SECRETS.get(text_of(node, "type") or ""))
            told = output.annotations.items() if output else ()
            if sum(len(f"{key}{value}".encode()) for key, value in told) > _MOST_ANNOTATED:
                yield node.entries["annotations"].where.problem(
                    f"are more than {_MOST_ANNOTATED >> 10} KiB; Kubernetes takes no more"
                )


def _election(tree: Keys) -> Iterator[Problem]:
    node = tree.entries.get("leader_election")
    if not isinstance(node, Keys):
        return
    state = tree.entries.get("state")
    if not isinstance(state, Keys) or text_of(state, "secret") in (None, NONE):
        message = "needs state: replicas find what another one left in a Secret alone"
        yield node.entries.get("lease", node).where.problem(f"{message}; expected both or none")
    election = _read(node, LeaderElection)
    if election is None:
        return
    for long, short, factor in (
        ("duration", "renew_deadline", 1),
        ("renew_deadline", "retry", 1.2),
    ):
        more, less = getattr(election, long), getattr(election, short)
        if not more > less * factor:
            at = node.entries.get(long) or node.entries[short]
            times = f"{factor:g} times " if factor > 1 else ""
            yield at.where.problem(
                f"makes a {long} of {more} and a {short} of {less};"
                f" expected the first to be longer than {times}the second"
            )


def _read(node: Node | None, kind: type[S] | None) -> S | None:
    """The node as a struct; None if anything in it is wrong, which is said when all is read."""
    return Reader([]).struct(node, kind) if isinstance(node, Keys) and kind else None
