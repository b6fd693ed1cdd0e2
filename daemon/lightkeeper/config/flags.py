"""The settings that flags and variables can make: one table, from which the CLI builds its parser.

A flag wins over its variable. An empty variable counts as unset, as compose files write it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from lightkeeper.config.problem import Problem, choice, shown_name
from lightkeeper.config.tree import Items, Keys, Node, Text, Where, text_of

PREFIX: Final = "LIGHTKEEPER_"

Flags: TypeAlias = Mapping[str, str | Sequence[str] | None]
"""What the parser found, by a setting's name; None or nothing where the flag was not given."""

# Kubernetes hands every pod the addresses of its namespace's Services, one called `lightkeeper`
# included, in variables of this form.
_SERVICE_LINK: Final = re.compile(
    r"LIGHTKEEPER_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?"
    r"|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


class Setting(msgspec.Struct, frozen=True):
    """One flag and its variable."""

    name: str
    """The parser's name for it: underscores, no dashes."""
    metavar: str
    help: str
    key: str = ""
    """Its key in the file; `login.` and `output.` stand for those of the one login that flags
    make. Empty for what no file says."""
    is_repeatable: bool = False
    """A flag that is given once for each value; its variable separates them like PATH."""

    @property
    def flag(self) -> str:
        """As it is typed."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """As it is exported."""
        return PREFIX + self.name.upper()

    @property
    def is_of_login(self) -> bool:
        """Whether it speaks of the one login that flags make."""
        return self.key.startswith(("login.", "output."))


SETTINGS: Final = (
    Setting(
        "config", "FILE", "the configuration; by default /etc/lightkeeper/config.yaml if it exists"
    ),
    Setting(
        "region",
        "REGION",
        "AWS region of the login; by default what AWS's own settings say",
        "login.region",
    ),
    Setting("profile", "NAME", "AWS profile; by default AWS's own chain decides", "login.profile"),
    Setting("role_arn", "ARN", "AWS role to assume", "login.role_arn"),
    Setting("endpoint_url", "URL", "ask Lightsail here instead of at AWS", "login.endpoint_url"),
    Setting(
        "docker_config",
        "PATH",
        "keep the login in this Docker config; a directory means its config.json",
        "output.docker_config",
        is_repeatable=True,
    ),
    Setting(
        "containers_auth",
        "PATH",
        "the same for podman, buildah and skopeo; a directory means its auth.json",
        "output.containers_auth",
        is_repeatable=True,
    ),
    Setting(
        "kubernetes_secret",
        "NAMESPACE/NAME",
        "keep the login in this Secret of the cluster",
        "output.kubernetes_secret",
        is_repeatable=True,
    ),
    Setting("file_mode", "MODE", "mode of a file that is made, such as 0600", "output.file_mode"),
    Setting("seed", "PATH", "Docker config that a file begins with when it is made", "output.seed"),
    Setting("listen", "HOST:PORT", "serve metrics and probes here, or none", "web.listen"),
    Setting("state_dir", "DIR", "where held credentials survive a restart", "state_dir"),
    Setting(
        "state_secret",
        "NAMESPACE/NAME",
        "keep held credentials in this Secret instead of a directory",
        "state.secret",
    ),
    Setting(
        "lease",
        "NAMESPACE/NAME",
        "work while holding this Lease, one of several replicas at a time",
        "leader_election.lease",
    ),
    Setting("socket", "PATH", "unix socket through which commands reach the daemon", "socket"),
    Setting("log_level", "LEVEL", "debug, info, warning or error", "log.level"),
    Setting("log_format", "FORMAT", "auto, console or json", "log.format"),
)


def lay_over(tree: Keys, flags: Flags, environ: Mapping[str, str], problems: list[Problem]) -> Keys:
    """The tree, with what flags and variables say in place of what stood there.

    The login that they make is the only one: with logins in the file, a setting of it is a problem.
    """
    said = {setting: texts for setting in SETTINGS if (texts := told(setting, flags, environ))}
    for setting, texts in said.items():
        match setting.key.split("."):
            case [section, key] if not setting.is_of_login:
                inside = tree.entries.get(section, Keys(Where(), {}))
                if isinstance(inside, Keys):
                    tree = tree.put(section, inside.put(key, texts[0]))
            case [key] if key:
                tree = tree.put(key, texts[0])
            case _:
                pass
    of_login = {setting.key: texts for setting, texts in said.items() if setting.is_of_login}
    if "logins" not in tree.entries:
        return tree.put("logins", Items(Where(key="logins"), (_login(of_login, problems),)))
    for texts in of_login.values():
        message = f"is for a login made of flags alone; {tree.where.file} has logins, set it there"
        problems.append(texts[0].where.problem(message))
    return tree


def _login(said: Mapping[str, tuple[Text, ...]], problems: list[Problem]) -> Keys:
    """The login that flags make."""
    login: dict[str, Node] = {}
    outputs: list[Keys] = []
    for key, texts in said.items():
        match key.split("."):
            case ["output", "file_mode" | "seed" as key]:
                outputs = outputs or [_output("docker_config", Where(key="outputs[0]"))]
                outputs = [_of_file(output, key, texts[0]) for output in outputs]
                if all(key not in output.entries for output in outputs):
                    message = "is for files, and there is none; expected --docker-config as well"
                    problems.append(texts[0].where.problem(message))
            case ["output", "kubernetes_secret"]:
                outputs += _secrets(texts, problems)
            case ["output", kind]:
                outputs += [_output(kind, text.where).put("path", text) for text in texts]
            case [_, key]:
                login[key] = texts[0]
            case _:
                pass
    if outputs:
        login["outputs"] = Items(Where(key="outputs"), tuple(outputs))
    return Keys(Where(), login)


def _of_file(output: Keys, key: str, text: Text) -> Keys:
    is_file = text_of(output, "type") != "kubernetes_secret"
    return output.put(key, text) if is_file else output


def _secrets(texts: Sequence[Text], problems: list[Problem]) -> list[Keys]:
    """An output for each name of a Secret, with all the namespaces where it is wanted."""
    namespaces: dict[str, tuple[Text, ...]] = {}
    for text in texts:
        namespace, _, name = text.text.partition("/")
        if namespace and name:
            namespaces[name] = (*namespaces.get(name, ()), Text(text.where, namespace))
        else:
            expected = "NAMESPACE/NAME such as ci/lightsail-push"
            problems.append(text.where.problem(f"{shown_name(text.text)} is not {expected}"))
    where = texts[0].where
    return [
        _output("kubernetes_secret", where)
        .put("secret", Text(where, name))
        .put("namespaces", Items(where, found))
        for name, found in namespaces.items()
    ]


def _output(kind: str, where: Where) -> Keys:
    return Keys(where, {"type": Text(where, kind)})


def told(setting: Setting, flags: Flags, environ: Mapping[str, str]) -> tuple[Text, ...]:
    """What the flag says, else the variable; nothing if neither does."""
    given = flags.get(setting.name)
    if given is not None:
        values, key = [given] if isinstance(given, str) else given, setting.flag
    else:
        variable = environ.get(setting.variable, "")
        several = variable.split(os.pathsep) if setting.is_repeatable else [variable]
        values, key = [value for value in several if value], setting.variable
    return tuple(Text(Where(key=key), value) for value in values)


def unknown_variables(environ: Mapping[str, str]) -> Iterator[Problem]:
    """Variables that look like ours and are not: nobody would notice that one is misspelt."""
    known = [setting.variable.removeprefix(PREFIX) for setting in SETTINGS]
    for name in sorted(environ):
        word = name.removeprefix(PREFIX)
        if word in (name, *known) or _SERVICE_LINK.fullmatch(name):
            continue
        key = name if name.isidentifier() else f"{PREFIX}..."
        message = f"is not a variable of Lightkeeper; {choice(word, known, PREFIX)}"
        yield Problem("", 0, key, message)
