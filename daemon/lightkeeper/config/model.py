"""What Lightkeeper can be told: frozen values, each with its meaning, unit and default.

Defaults stand here and nowhere else, except those that hang on the environment: their field says
where they come from and `environment` finds them. A field's `_form` says how its text is written:
one pattern for the loader and for the JSON Schema, one phrase for people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Meta, field

from lightkeeper.config import names
from lightkeeper.config.values import Duration, FileMode, Listen, ObjectName, Rate, Share

_PORT = r"([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
# A label that is empty or longer than 63 makes the resolver raise what is no OSError.
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(\.[A-Za-z0-9_-]{1,63})*\.?"
_ADDRESS_6 = r"\[(?=[^\]]*:)[0-9A-Fa-f:]{2,39}([0-9]{1,3}(\.[0-9]{1,3}){3})?\]"
_HOST = rf"({_NAME}|{_ADDRESS_6})"
_ANY_PATH = r"^(/|~(/|$)|\$)"
_DURATION = r"^[1-9][0-9]{0,3}[sm]$"
_A_DURATION = "a duration such as 30s or 2m"
_AN_OBJECT = "NAMESPACE/NAME such as ci/lightkeeper"

NONE = "none"
"""Written where a default is to be switched off."""


def _form(pattern: str, expected: str, *, missing: str = "") -> Meta:
    """How a text is written; `missing` is said where nobody says it and no default is found."""
    return Meta(
        description=expected, extra_json_schema={"pattern": pattern}, extra={"missing": missing}
    )


class FileOutput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of logins, as `docker login` writes it."""

    file_name: ClassVar[str]
    """The file's name where the path names a directory."""

    name: Annotated[str, _form(r"^\S.*$", "a name for the label `output`")]
    """What metrics and logs call it, unique within the login. Default: its type and path, so that
    it stays the same when outputs are added or sorted."""
    path: Annotated[Path, _form(_ANY_PATH, "an absolute path, or one that begins with ~/")]
    """The file; a directory means the usual file in it. `~` and environment variables are expanded
    once. Default: where the clients of this type look, which for docker is `$DOCKER_CONFIG` or
    ~/.docker, for podman `$REGISTRY_AUTH_FILE` or containers/auth.json in the runtime directory."""
    if_foreign: Literal["replace", "report"] = "replace"
    """What happens to a credential for our registry that somebody else put there. Default
    `replace`: it expires within hours, and jobs fail then."""
    file_mode: Annotated[
        FileMode,
        _form(r"^0?6[0246]0$", 'a mode that shuts other users out, such as "0600"'),
    ] = field(default_factory=lambda: FileMode(0o600))
    """The mode of a file that is made, in octal; a file that exists keeps its own. Default 0600:
    the file holds a password."""
    in_place: bool = False
    """Whether the file is overwritten instead of replaced. Default false: readers could see half a
    file. True only for a file that is a mount of its own and cannot be replaced."""
    seed: (
        Annotated[Path, _form(_ANY_PATH, "an absolute path, or one that begins with ~/")] | None
    ) = None
    """A Docker config that a file begins with when it is made, such as a base image's login from a
    read-only Secret; a file that exists is left without it. Default: none, it begins empty."""


class DockerConfig(FileOutput, frozen=True, tag_field="type", tag="docker_config"):
    """What docker, buildx and crane read."""

    file_name: ClassVar[str] = "config.json"


class ContainersAuth(FileOutput, frozen=True, tag_field="type", tag="containers_auth"):
    """What podman, buildah and skopeo read; the same form as Docker's."""

    file_name: ClassVar[str] = "auth.json"


class WhichCluster(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The cluster of an output, and who we are there."""

    kubeconfig: (
        Annotated[Path, _form(_ANY_PATH, "an absolute path, or one that begins with ~/")] | None
    ) = None
    """A kubeconfig file. Default: the pod's own ServiceAccount in a cluster, elsewhere
    `$KUBECONFIG` or ~/.kube/config."""
    context: Annotated[str, _form(r"^\S.*$", "the name of a context")] | None = None
    """A context of the kubeconfig file. Default: its current one."""
    qps: (
        Annotated[
            Rate,
            Meta(
                description="a whole number from 1 to 9999, or none",
                extra_json_schema={"pattern": r"^[1-9][0-9]{0,3}$", "minimum": 1, "maximum": 9999},
            ),
        ]
        | None
    ) = field(default_factory=lambda: Rate(20))
    """Requests a second to its API server, as elsewhere in Kubernetes, after a burst of 10; 8 at a
    time at the most. Default 20: a thousand Secrets are renewed in a minute, of hours that there
    are, and an API server does not notice. `none` for no limit."""


class KubernetesSecret(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="kubernetes_secret",
):
    """What builders in a cluster mount; not for `imagePullSecrets`, since it only pushes."""

    name: Annotated[str, _form(r"^\S.*$", "a name for the label `output`")]
    """What metrics and logs call it, unique within the login. Default: its type and secret."""
    secret: Annotated[
        str,
        _form(names.NAME, "the name of a Secret: lower-case letters, digits, hyphens and dots"),
    ] = "lightsail-push"  # noqa: S105 - its name
    """What the Secret is called in each namespace; of type kubernetes.io/dockerconfigjson. Default
    `lightsail-push`: what it is for."""
    namespaces: tuple[
        Annotated[
            str, _form(names.NAMESPACES, 'a namespace, or a pattern of them such as "team-*"')
        ],
        ...,
    ] = ()
    """Names need no right beyond their namespace; patterns (`*` any characters, `?` one) need to
    list and watch namespaces. Default: none, and then `namespace_selector` must say which."""
    namespace_selector: (
        Annotated[
            str, _form(names.SELECTOR, 'a label selector such as "ci=true" or "team in (a, b)"')
        ]
        | None
    ) = None
    """Namespaces with these labels, beside those in `namespaces`. Default: none."""
    exclude: tuple[
        Annotated[
            str, _form(names.NAMESPACES, 'a namespace, or a pattern of them such as "kube-*"')
        ],
        ...,
    ] = ()
    """Namespaces that a pattern or the selector finds, and that are left alone. Default: none."""
    labels: Mapping[
        Annotated[
            str,
            _form(
                names.LABEL_KEY,
                f"a label's key such as example.com/team; {names.OURS} is Lightkeeper's own",
            ),
        ],
        Annotated[
            str, _form(names.LABEL_VALUE, "a label's value: at most 63 letters, digits and -_.")
        ],
    ] = field(default_factory=dict)
    """Labels of the Secret beside our own. Default: none."""
    annotations: Mapping[
        Annotated[
            str,
            _form(
                names.LABEL_KEY,
                f"an annotation's key such as example.com/team; {names.OURS} is Lightkeeper's own",
            ),
        ],
        Annotated[str, _form("", "a text in one line")],
    ] = field(default_factory=dict)
    """Annotations of the Secret beside our own. Default: none."""
    cluster: WhichCluster = field(default_factory=WhichCluster)
    """The cluster. Default: the one that this runs in, else that of the user's kubeconfig."""
    if_foreign: Literal["report", "replace"] = "report"
    """What happens to a Secret, or to an entry in it, that is somebody else's. Default `report`:
    who made it may make it again."""
    merge: bool = False
    """Whether the Secret may hold entries for other registries, which are kept. Default false: it
    is ours alone, and then two writers cannot undo one another's work."""
    prune: bool = False
    """Whether our Secret is deleted from a namespace that is no longer chosen, or our entry taken
    out of it with `merge`. Default false: a job may be reading it."""

    @property
    def deletes(self) -> bool:
        """Whether it takes the right to delete Secrets: one that is shared is only written."""
        return self.prune and not self.merge


Output: TypeAlias = DockerConfig | ContainersAuth | KubernetesSecret


class Login(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One AWS account and region whose registry credential is kept alive."""

    name: Annotated[
        str,
        _form(
            r"^[a-z0-9][a-z0-9-]{0,62}$",
            "a name of at most 63 lower-case letters, digits and hyphens",
        ),
    ]
    """What commands, metrics and logs call it; unique. Default: the region."""
    region: Annotated[
        str,
        _form(
            r"^[a-z0-9][a-z0-9-]{0,62}$",
            "an AWS region such as eu-central-1",
            missing="is missing; set it here, with --region, in AWS_REGION or in the AWS profile",
        ),
    ]
    """The AWS region. Default: AWS_REGION, then AWS_DEFAULT_REGION, then what the AWS
    configuration says for the profile."""
    profile: Annotated[str, _form(r"^\S.*$", "the name of an AWS profile")] | None = None
    """A profile of the AWS configuration files. Default: none, so that AWS's own chain decides."""
    role_arn: (
        Annotated[
            str,
            _form(
                r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/\S+$",
                "a role such as arn:aws:iam::123456789012:role/push",
            ),
        ]
        | None
    ) = None
    """A role to assume. Default: none, the AWS credentials are used as they are."""
    external_id: (
        Annotated[
            str, _form(r"^[A-Za-z0-9_+=,.@:/-]{2,1224}$", "the external id that the role asks for")
        ]
        | None
    ) = None
    """Goes with `role_arn`. Default: none, few roles ask for one."""
    session_name: Annotated[
        str, _form(r"^[A-Za-z0-9_+=,.@-]{2,64}$", "2 to 64 letters, digits and _+=,.@-")
    ] = "lightkeeper"
    """Goes with `role_arn`: who CloudTrail says it was. Default: the program's name."""
    endpoint_url: (
        Annotated[
            str,
            _form(
                rf"^https?://{_HOST}(:{_PORT})?(/[^\s?#@]*)?$",
                "an http or https address with a host, and without user, password, ? and #",
            ),
        ]
        | None
    ) = None
    """Where Lightsail is asked instead of at AWS: an emulator, or a private endpoint. Default:
    AWS's own, by the region."""
    verify: bool = True
    """Whether the registry is asked if it takes a credential. Default true: it is the only proof;
    false where the registry cannot be reached from here."""
    outputs: Annotated[tuple[Output, ...], Meta(min_length=1)]
    """Where the credential is delivered. Default: one `docker_config`, since docker is what most
    jobs push with."""


class Renewal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a credential is renewed, in shares of its lifetime."""

    at: Annotated[
        Share, _form(r"^([2-8][0-9](\.[0-9]+)?|90)%$", "a percentage from 20% to 90%, such as 50%")
    ] = field(default_factory=lambda: Share(0.5))
    """The age at which it is due at the latest. Default 50%: what a job picks up must outlive the
    job, and half a lifetime is left to mend what keeps a renewal from working."""
    spread: Annotated[
        Share, _form(r"^(([0-9]|1[0-4])(\.[0-9]+)?|15)%$", "a percentage from 0% to 15%")
    ] = field(default_factory=lambda: Share(0.1))
    """By how much a draw makes it earlier. Default 10%, over an hour for twelve: many hosts of one
    account do not call in the same minute."""


class Web(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The listener for metrics and probes."""

    listen: (
        Annotated[
            Listen,
            _form(
                rf"^{_HOST}:{_PORT}$",
                "HOST:PORT such as 127.0.0.1:9780, port 65535 at most, or none",
            ),
        ]
        | None
    ) = field(default_factory=lambda: Listen("127.0.0.1:9780"))
    """Where it listens, or `none`. Port 0 takes any that is free. Default: a port of its own on
    loopback, since what is served there is the business of this machine."""


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged, and how."""

    format: Literal["auto", "console", "json"] = "auto"
    """Default `auto`: for people on a terminal, JSON elsewhere, where programs read."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged. Default `info`: a few lines a day for each login."""


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where held credentials survive a restart, if not in a directory."""

    secret: (
        Annotated[
            ObjectName,
            _form(
                names.NAMESPACED,
                f"{_AN_OBJECT}, or none",
                missing=f"is missing; expected {_AN_OBJECT}, or none",
            ),
        ]
        | None
    ) = field(default_factory=lambda: None)
    """A Secret of the daemon's own namespace, in the cluster that it runs in. It holds passwords:
    let nobody else read it. `none` for a sidecar: then they end with the process, and so does the
    floor between attempts. There is no default."""


class LeaderElection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Lease that one of several replicas holds at a time."""

    lease: Annotated[
        ObjectName,
        _form(names.NAMESPACED, _AN_OBJECT, missing=f"is missing; expected {_AN_OBJECT}"),
    ]
    """A Lease of the daemon's own namespace, in the cluster that it runs in. There is no
    default."""
    duration: Annotated[Duration, _form(_DURATION, _A_DURATION)] = field(
        default_factory=lambda: Duration(seconds=30)
    )
    """For how long the others wait after the last sign of the one that leads. Default 30s: a
    credential that lives for hours is not renewed in a hurry."""
    renew_deadline: Annotated[Duration, _form(_DURATION, _A_DURATION)] = field(
        default_factory=lambda: Duration(seconds=20)
    )
    """After how long without renewing the Lease it stops by itself; less than `duration`. Default
    20s: it has stopped before another begins."""
    retry: Annotated[Duration, _form(_DURATION, _A_DURATION)] = field(
        default_factory=lambda: Duration(seconds=5)
    )
    """How often the Lease is renewed, or asked for; 1.2 times that is less than `renew_deadline`.
    Default 5s: a failed try or two do no harm."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that Lightkeeper is told."""

    logins: Annotated[tuple[Login, ...], Meta(min_length=1)]
    """What is kept alive. Default: one login, made of flags and environment."""
    renewal: Renewal = field(default_factory=Renewal)
    """When a renewal is due, the same for every login."""
    web: Web = field(default_factory=Web)
    """The listener for metrics and probes."""
    state_dir: Annotated[Path, _form(_ANY_PATH, "an absolute path, or one that begins with ~/")]
    """The directory where held credentials survive a restart. Default: `$STATE_DIRECTORY`, which
    systemd sets, else the user's state directory, for root /var/lib/lightkeeper. Not used where
    `state` names a Secret."""
    state: State | None = None
    """Where held credentials survive the end of a pod. Default: none, they are in `state_dir`."""
    leader_election: LeaderElection | None = None
    """How several replicas agree on the one that works; needs `state`. Default: this one works
    alone."""
    socket: Annotated[Path, _form(_ANY_PATH, "an absolute path, or one that begins with ~/")]
    """The unix socket through which commands reach the daemon. Default: control.sock in
    `$RUNTIME_DIRECTORY`, which systemd sets, else in the user's runtime directory, for root in
    /run/lightkeeper, and where there is none in `state_dir`; with `state`, in /run/lightkeeper."""
    log: Log = field(default_factory=Log)
    """What is logged, and how."""


def source_fingerprint(login: Login) -> str:
    """Name where a login's credential comes from: a login is the same as long as this is.

    It is saved with the state, so it must come out alike in every process and release.
    """
    source = (login.name, login.region, login.profile, login.role_arn, login.endpoint_url)
    return hashlib.sha256(msgspec.json.encode(source)).hexdigest()[:16]
