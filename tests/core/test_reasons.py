"""The closed list of reasons: words that never change, and a sentence that helps for each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

import pytest

from lightkeeper.core.reasons import DELIVERY, OF_VERIFICATION, RENEWAL, Caps, Failing, Reason
from lightkeeper.core.upkeep import LEASE, NAMESPACES, STORE

OF_ATTEMPTS = (
    "throttled service_error network timeout tls proxy access_denied unauthenticated"
    " aws_credentials_missing aws_credentials_expired aws_credentials_invalid imds_unreachable"
    " clock_skew no_container_service region_setup_in_progress not_found invalid_input"
    " invalid_response redirected not_newer registry_rejected superseded internal_error"
)
OF_DELIVERIES = (
    "permission_denied read_only no_space io_error timeout malformed too_large unsafe_path"
    " single_file_mount other_owner contended conflict internal_error"
    " access_denied unauthenticated network tls proxy throttled service_error invalid_input"
    " namespace_missing namespace_terminating wrong_type immutable superseded"
)
OF_EVERY_NETWORK = (
    "timeout network tls proxy throttled service_error access_denied unauthenticated invalid_input"
    " internal_error"
)

TABLES = pytest.mark.parametrize(
    "table",
    [RENEWAL, DELIVERY, STORE, LEASE, NAMESPACES],
    ids=["renewal", "delivery", "store", "lease", "namespaces"],
)


def test_the_words_are_those_that_alerts_and_runbooks_know() -> None:
    """Renaming one is a breaking change."""
    assert {str(reason) for reason in RENEWAL} == set(OF_ATTEMPTS.split())
    assert {str(reason) for reason in DELIVERY} == set(OF_DELIVERIES.split())


def test_every_reason_may_occur_somewhere() -> None:
    assert RENEWAL.keys() | DELIVERY.keys() == set(Reason)


def test_only_what_a_network_and_a_server_can_do_to_both_is_in_both_tables() -> None:
    both = RENEWAL.keys() & DELIVERY.keys()

    assert both - OF_VERIFICATION == set(OF_EVERY_NETWORK.split())


def test_whoever_finds_others_in_a_place_is_told_the_way_that_loses_nothing_first() -> None:
    advice = DELIVERY[Reason.CONFLICT].advice

    assert advice.index("another path or Secret") < advice.index("merge: true")
    assert advice.index("merge: true, which leaves them") < advice.index("if_foreign: replace")


def test_what_is_to_be_changed_is_named_as_the_configuration_calls_it() -> None:
    assert "set the output's secret to another name" in DELIVERY[Reason.WRONG_TYPE].advice
    for reason in (Reason.MALFORMED, Reason.UNSAFE_PATH):
        assert "the seed if the detail names it" in DELIVERY[reason].advice


def test_a_state_is_a_file_or_a_secret_like_any_other_save_that_nobody_else_writes_it() -> None:
    assert STORE.keys() == DELIVERY.keys() - {Reason.CONFLICT}


def test_a_state_is_not_told_to_be_a_docker_config() -> None:
    """Nor that readers could see half of it, which are none."""
    said = " ".join(failing.advice for failing in STORE.values())

    assert "Docker" not in said
    assert "in_place" not in said


def test_namespaces_that_cannot_be_listed_are_told_in_no_words_of_places() -> None:
    """Nor by a reason that a list cannot fail by."""
    for failing in NAMESPACES.values():
        assert not re.search("Secret|Docker|file system|mount|place", failing.advice)
    assert {*NAMESPACES} - {Reason.TOO_LARGE} == set(OF_EVERY_NETWORK.split())


def test_what_a_cluster_refuses_is_not_told_in_the_words_of_aws_or_of_files() -> None:
    """Nor are a file's troubles told as a cluster's: one place is one of both."""
    of_files = {Reason.TIMEOUT, Reason.INTERNAL_ERROR}
    of_cluster = DELIVERY.keys() & RENEWAL.keys() - of_files - OF_VERIFICATION

    for reason in of_cluster:
        assert "AWS" not in DELIVERY[reason].advice
        assert "Lightsail" not in DELIVERY[reason].advice
        assert "API server" in DELIVERY[reason].advice
    for reason in (Reason.TIMEOUT, Reason.MALFORMED, Reason.TOO_LARGE):
        assert re.search("Secret|API server", DELIVERY[reason].advice)
        assert re.search("file|mount|right one", DELIVERY[reason].advice)


@TABLES
def test_a_word_fits_into_a_label(table: Mapping[Reason, Failing]) -> None:
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", reason) for reason in table)


@TABLES
def test_every_reason_says_in_one_line_what_to_do(table: Mapping[Reason, Failing]) -> None:
    for failing in table.values():
        assert re.fullmatch(r"[A-Z][^\n]+[^.\s]\.", failing.advice)
        assert "  " not in failing.advice


@TABLES
def test_no_two_reasons_are_told_alike_save_for_bugs(table: Mapping[Reason, Failing]) -> None:
    assert len({failing.advice for failing in table.values()}) == len(table)


@TABLES
def test_the_tables_cannot_be_changed(table: Mapping[Reason, Failing]) -> None:
    assert not hasattr(table, "__setitem__")


SOON = {
    Reason.NETWORK,
    Reason.TIMEOUT,
    Reason.AWS_CREDENTIALS_MISSING,
    Reason.IMDS_UNREACHABLE,
}


@pytest.mark.parametrize("reason", RENEWAL)
def test_the_longest_wait_is_set_by_who_can_mend_it(reason: Reason) -> None:
    """What comes back by itself is tried each minute; what a person must mend, more rarely."""
    minutes = {Reason.ACCESS_DENIED: (30, 5)}.get(reason, (1, 1) if reason in SOON else (5, 5))

    caps = RENEWAL[reason].caps

    assert caps == Caps(
        while_valid=timedelta(minutes=minutes[0]), after_expiry=timedelta(minutes=minutes[1])
    )
