"""Fills a tree with what it may leave out, and turns its paths into the ones that they mean.

The defaults that hang on nothing stand in the model; here are those of the environment, and the
names that are made of other values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import fields, replace

from lightkeeper.config.environment import SYSTEM_RUNTIME, SYSTEM_STATE, Environment
from lightkeeper.config.model import ContainersAuth, DockerConfig, KubernetesSecret
from lightkeeper.config.problem import Problem
from lightkeeper.config.tree import Items, Keys, Node, Text, Where, text_of

_FILE_NAMES: Final = {
    str(kind.__struct_config__.tag): kind.file_name for kind in (DockerConfig, ContainersAuth)
}
_SECRET: Final = str(KubernetesSecret.__struct_config__.tag)
_DEFAULTS: Final = {one.name: one.default for one in fields(KubernetesSecret)}
_NOWHERE: Final = "name no namespace, and there is no namespace_selector; expected one of the two"


class Completion:
    """Completes the tree of a configuration; what is wrong goes to `problems`."""

    def __init__(self, environment: Environment, problems: list[Problem]) -> None:
        self._environment = environment
        self._problems = problems

    def config(self, tree: Keys) -> Keys:
        """The whole tree."""
        if "state" in tree.entries and "state_dir" in tree.entries:
            other = _where_said(tree.entries["state"]).named
            problem = f"says where state is kept, and so does {other}; expected one of them"
            self._problems.append(tree.entries["state_dir"].where.problem(problem))
        return _with_items(self.daemon(tree), "logins", self._login)

    def daemon(self, tree: Keys) -> Keys:
        """Where its daemon is, and nothing else."""
        if "state" in tree.entries:
            # A pod: its user may be nobody with a home, and no directory is needed.
            state_dir, folder = SYSTEM_STATE, SYSTEM_RUNTIME
        else:
            state_dir = self._environment.state_dir()
            folder = text_of(tree, "state_dir") or state_dir
        socket = self._environment.socket(folder)
        before = len(self._problems)
        tree = self._with_path(tree, "state_dir", state_dir)
        is_wrong = len(self._problems) > before
        # What is wrong with the one is not said again of the other, which is made of it.
        return self._with_path(tree, "socket", "/" if is_wrong else socket)

    def _login(self, login: Keys) -> Keys:
        if "region" not in login.entries:
            region = self._environment.region(text_of(login, "profile"))
            login = login.put("region", region) if region else login
        if "name" not in login.entries and "region" in login.entries:
            login = login.put("name", login.entries["region"])
        endpoint = login.entries.get("endpoint_url")
        if isinstance(endpoint, Text) and not endpoint.text.endswith("//"):
            # With a slash at its end it is the same source.
            login = login.put(
                "endpoint_url", replace(endpoint, text=endpoint.text.removesuffix("/"))
            )
        if "outputs" not in login.entries:
            where = login.where.below("outputs[0]")
            usual = Keys(where, {"type": Text(where, "docker_config")})
            login = login.put("outputs", Items(where, (usual,)))
        if "role_arn" not in login.entries:
            for key in sorted({"external_id", "session_name"} & login.entries.keys()):
                problem = "goes with role_arn, which is missing; expected both or none"
                self._problems.append(login.entries[key].where.problem(problem))
        return _with_items(login, "outputs", self._output)

    def _output(self, output: Keys) -> Keys:
        kind = text_of(output, "type")
        if kind == _SECRET:
            return self._secret(output)
        if kind not in _FILE_NAMES:
            return output
        default = self._environment.output_path(kind)
        output = self._with_path(output, "path", default, file_name=_FILE_NAMES[kind])
        if "seed" in output.entries:
            output = self._with_path(output, "seed")
        if "name" not in output.entries:
            where = output.entries["path"].where
            output = output.put("name", Text(where, f"{kind}:{text_of(output, 'path')}"))
        return output

    def _secret(self, output: Keys) -> Keys:
        cluster = output.entries.get("cluster")
        if isinstance(cluster, Keys) and "kubeconfig" in cluster.entries:
            output = output.put("cluster", self._with_path(cluster, "kubeconfig"))
        if "name" not in output.entries:
            secret = output.entries.get("secret")
            where = secret.where if secret else output.where
            text = text_of(output, "secret") or _DEFAULTS["secret"]
            output = output.put("name", Text(where, f"{_SECRET}:{text}"))
        named = output.entries.get("namespaces", Items(output.where.below("namespaces"), ()))
        if named == Items(named.where, ()) and "namespace_selector" not in output.entries:
            self._problems.append(named.where.problem(_NOWHERE))
        return output

    def _with_path(self, keys: Keys, key: str, default: str = "", *, file_name: str = "") -> Keys:
        """The mapping with the path that is meant, by default as if `default` had been written."""
        node = keys.entries.get(key)
        if node is None:
            node = Text(keys.where.below(f"{key} (by default {default})"), default)
        if not isinstance(node, Text) or node.taken_for:
            return keys
        try:
            path = self._environment.path(node.text, file_name)
        except ValueError as exc:
            self._problems.append(node.where.problem(str(exc)))
            path = node.text
        return keys.put(key, Text(node.where, path))


def _with_items(keys: Keys, key: str, complete: Callable[[Keys], Keys]) -> Keys:
    """The mapping with each mapping of the list under a key completed."""
    node = keys.entries.get(key)
    if not isinstance(node, Items):
        return keys
    items = (complete(item) if isinstance(item, Keys) else item for item in node.items)
    return keys.put(key, Items(node.where, tuple(items)))


def _where_said(state: Node) -> Where:
    """Where a state is: what a flag or a variable makes is at none, but its Secret is."""
    if state.where.key or not isinstance(state, Keys):
        return state.where
    return state.entries["secret"].where
