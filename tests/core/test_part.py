"""What people are told of a process that keeps no logins, and of one that does."""

from __future__ import annotations

import pytest

from lightkeeper.core.part import ALONE, Part, Role

LEASE = "ci/lightkeeper"


@pytest.mark.parametrize("part", [ALONE, Part(role=Role.LEADER, lease=LEASE, leader="one")])
def test_nothing_is_told_where_logins_are_kept(part: Part) -> None:
    assert part.aside == ""


@pytest.mark.parametrize("role", [Role.ALONE, Role.LEADER])
def test_what_keeps_logins_from_being_kept_is_told(role: Role) -> None:
    part = Part(role=role, waits="the saved state is being read")

    assert part.aside == "no login is kept here yet: the saved state is being read"


def test_a_standby_names_the_replica_to_ask() -> None:
    part = Part(role=Role.STANDBY, lease=LEASE, leader="pod-1_00ff")

    assert part.aside == (
        "this replica is the standby and keeps no login: pod-1_00ff leads, which holds the Lease"
        " ci/lightkeeper; ask that one"
    )


def test_a_standby_that_knows_of_no_leader_names_the_lease_to_look_at() -> None:
    aside = Part(role=Role.STANDBY, lease=LEASE).aside

    assert "it knows of none that leads" in aside
    assert "the Lease ci/lightkeeper" in aside


def test_a_standby_says_what_keeps_it_from_knowing_a_leader() -> None:
    aside = Part(role=Role.STANDBY, lease=LEASE, waits="the Lease cannot be read").aside

    assert aside == (
        "this replica is the standby and keeps no login, and it knows of none that leads: the Lease"
        " cannot be read"
    )


def test_documents_tell_the_role_and_the_leader_of_replicas_alone() -> None:
    assert ALONE.document() == {}
    assert Part(role=Role.LEADER, leader="one").document() == {"role": "leader", "leader": "one"}
    assert Part(role=Role.STANDBY).document() == {"role": "standby", "leader": None}
