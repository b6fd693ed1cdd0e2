"""Validate the configuration and show the plan: which login would renew when, and what is written.

Writes nothing and asks nobody but the clusters whose Secrets it reads. With --online it asks AWS
who each login is, and clusters whether they would take what is to be written. Status 1 if something
is found that a write would fail of.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lightkeeper.cli import proof, settings, store
from lightkeeper.cli.main import DONE, FAILED, MISUSED, collect_seldom
from lightkeeper.cli.standing import MANY, WHY, Tone, few, lacking, noticed, places, progress
from lightkeeper.cli.words import cannot, print_lines, print_table
from lightkeeper.config.problem import ConfigErrors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lightkeeper.config.model import Config
    from lightkeeper.config.rbac import Grant
    from lightkeeper.core.file_failure import FileFailure

Document = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--online",
        action="store_true",
        help="prove each login's AWS identity, and each right in a cluster",
    )
    way.add_argument(
        "--rbac",
        action="store_true",
        help="print instead the Roles that its clusters have to grant, for kubectl apply -f -",
    )
    settings.arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the plan."""
    collect_seldom()
    try:
        loaded = settings.loader(args)()
    except ConfigErrors as exc:
        settings.complain(exc)
        return MISUSED
    if args.rbac:
        return _grants(loaded.config)
    for warning in (*loaded.warnings, *_exposed(loaded.config)):
        sys.stderr.write(f"warning: {warning}\n")
    unread: list[FileFailure] = []
    try:
        document = store.document(args, "check", loaded.config, unread.append)
    except ConfigErrors as exc:  # of a cluster: what it takes to ask one is read now
        settings.complain(exc)
        return MISUSED
    if document is None:
        return FAILED
    shown = [place for login in document["logins"] for place in places(login)]
    obstacles = _obstacles(shown, loaded.config)
    at = "" if unread else document["at"]
    plan = [row for login in document["logins"] for row in rows(login, at, obstacles)]
    print_table(["login", "region", "renews", "place", "what would be written"], plan)
    failing = [(place["place"], one) for place in shown if (one := _obstacle(place, obstacles))]
    for line in remarks(document["logins"], obstacles):
        sys.stdout.write(f"{line}\n")
    status = FAILED if unread or _is_closed(loaded.config) or failing else DONE
    if not args.online:
        return status
    said = [*proof.identities(loaded), *proof.clusters(loaded, [path for path, _ in failing])]
    sys.stdout.write("\n")
    print_lines(said)
    return FAILED if any(line.tone is Tone.WRONG for line in said) else status


def _exposed(config: Config) -> Iterator[str]:
    """What is to be said of the state directory, where there is one."""
    from lightkeeper.adapters.state_dir import exposed

    if config.state is None and (said := exposed(str(config.state_dir))):
        yield said


def _grants(config: Config) -> int:
    """Print what the configuration needs to be allowed; nothing where nothing is in a cluster."""
    import yaml

    from lightkeeper.config.rbac import needed

    grants = tuple(needed(config))
    if not grants:
        cannot("check", "nothing here is in a cluster, so that no right is needed in one")
    for grant in grants:
        for line in _to_whom(grant):
            sys.stdout.write(f"# {' '.join(line.splitlines())}\n")
        sys.stdout.write(yaml.safe_dump_all(grant.objects, sort_keys=False, explicit_start=True))
    return DONE


def _to_whom(grant: Grant) -> Iterator[str]:
    """Where it is applied, and whom it binds."""
    subject = grant.subject
    if grant.is_own:
        yield "For the cluster that Lightkeeper runs in: kubectl apply -f -"
        account = f"{subject['namespace']}/{subject['name']}"
        yield f"Bound to the ServiceAccount {account}, or to whom you put in its place."
        return
    asked = {"--kubeconfig": grant.kubeconfig, "--context": grant.context}
    said = [word for flag, value in asked.items() if value for word in (flag, str(value))]
    kubectl = shlex.join(["kubectl", *said])
    yield f"For another cluster, as whoever may grant it there: {kubectl} apply -f -"
    yield f"Bound to the user of that kubeconfig; in place of {subject['name']} put the name that"
    yield f"it has there: {kubectl} auth whoami"


def _obstacles(shown: Iterable[Document], config: Config) -> dict[str, Document]:
    """What keeps anybody here from writing a file, now or when the next login comes, by place."""
    from lightkeeper import viewing
    from lightkeeper.core.reasons import DELIVERY, Reason

    failing: dict[str, Document] = {
        place["place"]: place["failure"]
        for place in shown
        # That one is of a login, and of no other that has the same file.
        if place["failure"] and place["failure"]["reason"] != Reason.CONFLICT
    }
    return failing | {
        path: {"reason": one.reason, "detail": one.detail, "advice": DELIVERY[one.reason].advice}
        for path, one in viewing.obstacles(config, failing).items()
    }


def _obstacle(place: Document, obstacles: Mapping[str, Document]) -> Document | None:
    """What keeps us from writing this login's entry there."""
    return place["failure"] or obstacles.get(place["place"])


def _is_closed(config: Config) -> bool:
    """Whether no state could be saved, which is said then."""
    from lightkeeper import viewing

    if failure := viewing.unsavable(config):
        cannot("check", store.unusable(config, failure))
    return failure is not None


def rows(login: Document, at: str, obstacles: Mapping[str, Document]) -> list[list[str]]:
    """The plan of a login; `obstacles` is what keeps anybody from writing there, by place."""
    told = [one for output in login["outputs"] for one in _planned(login, output, obstacles)]
    when = [_when(login, at), *[""] * len(told)]  # of all its places it is the same
    return [
        [login["login"], login["region"], renews, *one]
        for renews, one in zip(when, told, strict=False)
    ]


def _planned(
    login: Document, output: Document, obstacles: Mapping[str, Document]
) -> Iterator[tuple[str, str]]:
    """The places of an output with what is written; of many a count, and those that fail."""
    every = output["places"]
    if is_many := len(every) > MANY:
        yield output["output"], progress(output) + _looks(len(every))
    failing = [place for place in every if _obstacle(place, obstacles)]
    first, rest = few(failing) if is_many else (every, "")
    for place in first:
        yield place["place"], _write(login, place, _obstacle(place, obstacles))
    if rest:
        yield "", rest


def _looks(places: int) -> str:
    from lightkeeper.viewing import LOOKS

    return f"; the first {LOOKS} were looked at" if places > LOOKS else ""


def remarks(logins: Sequence[Document], obstacles: Mapping[str, Document]) -> Iterator[str]:
    """What to do about what fails, what was noticed, of many places once, and what has no place."""
    outputs = [output for login in logins for output in login["outputs"]]
    advice, notices = [], []
    for output in outputs:
        is_many = len(output["places"]) > MANY
        advice += [
            (output["output"] if is_many else place["place"], one["advice"])
            for place in output["places"]
            if (one := _obstacle(place, obstacles))
        ]
        lines = [(one["place"], line) for one in output["places"] for line in noticed(one)]
        first, rest = few(lines) if is_many else (lines, "")
        notices += [f"{place}: {line.text}" for place, line in first]
        notices += [f"{output['output']}: {rest}"] if rest else []
    yield from (f"{what}: {said}" for what, said in dict.fromkeys(advice))
    yield from notices
    for login in logins:
        yield from (f"{login['login']}: {line.text}" for line in lacking(login))


def _when(login: Document, at: str) -> str:
    """When a daemon that begins now would renew, and why then; `at` is empty without a state."""
    if not at:
        return "not known without the state"
    why, attempt = WHY[login["next_attempt_why"]], login["next_attempt"]
    # Attempts stand on the server's clock.
    server_now = datetime.fromisoformat(at) - timedelta(seconds=login["clock_skew_seconds"])
    if datetime.fromisoformat(attempt) <= server_now + timedelta(seconds=1):
        return f"at once: {why}"
    if (failure := login["failure"]) and attempt != login["due"]:
        why = f"it waits after {failure['reason']}"
    return f"{attempt}: {why}"


def _write(login: Document, place: Document, obstacle: Document | None) -> str:
    if obstacle:
        why = f"{obstacle['reason']}: {obstacle['detail']}"
        until = "it is current, and the next would fail: " if place["state"] == "ok" else ""
        return f"nothing: {until}{why}"
    if place["pending"]:
        return f"nothing yet: {place['pending']}"
    if not login["valid"]:
        return "an entry, once a credential is issued"
    registry = login["registry"]
    return "nothing, it is current" if place["state"] == "ok" else f"the entry for {registry}"
