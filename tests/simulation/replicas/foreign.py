"""Administrators and other field managers at work on what replicas share."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import TYPE_CHECKING, Any

from lightkeeper.adapters.kubernetes.manifest import KEY, TYPE
from lightkeeper.core.facts import LoginName
from tests.fakes.cluster import Key
from tests.simulation.replicas.cluster import STATE
from tests.simulation.world import MARK

if TYPE_CHECKING:
    from tests.simulation.replicas.world import Town

EDITS = (
    "deleted",
    "deleted",
    "deleted",
    "login_elsewhere",
    "logout",
    "revert",
    "stranger",
    "label",
    "data",
    "applied",
    "made",
)
"""All that somebody else does to a Secret of ours."""


class Foreigner:
    """Edits as `kubectl` does, and applies as another field manager."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._random: Random = town.random
        self._serial = 0

    def edit_target(self, kind: str = "") -> Key | None:
        """Somebody changes a Secret that we deliver into: which."""
        town = self._town
        kind = kind or self._random.choice(EDITS)
        key, logins = self._random.choice(sorted(town.targets.items()))
        login = self._random.choice(logins)
        there = town.annals.secrets.get(key)
        if kind == "made" and there is None and not town.annals.namespaces[key[0]].is_ending:
            self._make(key, login)
        elif there is None:
            return None
        elif kind == "deleted":
            town.annals.delete_secret(*key)
        elif kind == "label":
            town.annals.edit_secret(*key, {("labels", "team"): self._word()}, "kubectl-edit")
        elif kind == "data":
            data = self._word().encode()
            town.annals.edit_secret(*key, {("data", "notes"): data}, "kubectl-edit")
        elif kind == "applied":
            self._apply(key, login)
        else:
            document = self._changed(there.data().get(KEY), kind, login)
            changes = {("data", KEY): json.dumps(document).encode()}
            town.annals.edit_secret(*key, changes, "kubectl-edit")
        town.met[f"edit_{kind}"] += 1
        return key

    def _word(self) -> str:
        self._serial += 1
        return f"word-{self._serial}"

    def _changed(self, data: bytes | None, kind: str, login: LoginName) -> dict[str, Any]:
        host = self._town.lightsails[login].host
        document: dict[str, Any] = json.loads(data or b"{}")
        auths = document.setdefault("auths", {})
        if kind == "logout":
            auths.pop(host, None)
        elif kind == "login_elsewhere":
            auths[host] = {"auth": self._auth()}
        elif kind == "revert":
            if former := self._town.former.get(login):
                auths[host] = {"auth": self._random.choice(former)}
        elif kind == "stranger":
            auths[f"{self._word()}.test"] = {"auth": self._auth()}
        return document

    def _auth(self) -> str:
        return base64.b64encode(f"AWS:{MARK}-foreign-{self._word()}".encode()).decode()

    def _apply(self, key: Key, login: LoginName) -> None:
        """As another tool of this kind does."""
        document = self._changed(None, "login_elsewhere", login)
        data = base64.b64encode(json.dumps(document).encode()).decode()
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": key[1], "namespace": key[0]},
            "type": TYPE,
            "data": {KEY: data},
        }
        self._town.annals.apply_secret(key[0], manifest, "gitops")

    _make = _apply

    def edit_state(self) -> None:
        """Somebody takes away or damages what is kept."""
        annals = self._town.annals
        if STATE not in annals.secrets:
            return
        if self._random.random() < 0.5:
            annals.delete_secret(*STATE)
            for login in self._town.lightsails:
                self._town.judge.edited(login)
            self._town.met["state_deleted"] += 1
            return
        login = self._random.choice(list(self._town.lightsails))
        annals.edit_secret(*STATE, {("data", f"{login}.json"): b"{damage"}, "kubectl-edit")
        self._town.met["state_damaged"] += 1

    def edit_lease(self) -> None:
        """Somebody deletes the Lease, gives it to nobody that there is, or marks it."""
        town = self._town
        if town.server.lease is None:
            return
        kind = self._random.choice(("deleted", "given", "marked"))
        if kind == "deleted":
            town.server.delete()
            town.server.history.clear()  # another one begins to count anew
        elif kind == "given":
            town.give_to("nobody")
        else:
            town.server.annotate()
        span = town.shape.settings.duration + town.shape.settings.retry
        town.lease_edited_until = town.now + span.total_seconds() * 1.5
        town.judge.terms.trouble("", "lease", town.lease_edited_until)
        town.met[f"lease_{kind}"] += 1
