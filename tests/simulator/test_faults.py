from __future__ import annotations

import re

import pytest

from lightkeeper.simulator import Endpoint, listed_faults
from lightkeeper.simulator.faults import FAULTS, Script


def _taken(script: Script, endpoint: Endpoint = Endpoint.LIGHTSAIL) -> str:
    fault = script.take(endpoint)
    return fault.name if fault else ""


def test_the_list_has_a_line_for_each_fault() -> None:
    lines = listed_faults().splitlines()

    assert [line.split()[0] for line in lines] == list(FAULTS)
    assert all(re.fullmatch(r"\w+ {2,}\S.*", line) for line in lines)


def test_no_two_faults_share_a_name_or_a_sentence() -> None:
    sentences = [fault.sentence for fault in FAULTS.values()]

    assert len(set(sentences)) == len(sentences)
    assert all(name == fault.name for name, fault in FAULTS.items())


def test_faults_are_taken_in_the_order_in_which_they_were_added() -> None:
    script = Script()
    script.add("html", times=2)
    script.add("null")

    assert [_taken(script) for _ in range(4)] == ["html", "html", "null", ""]


def test_each_endpoint_has_a_queue_of_its_own() -> None:
    script = Script()
    script.add("html", at=Endpoint.STS)

    assert _taken(script) == ""
    assert _taken(script, Endpoint.STS) == "html"


def test_a_fault_on_accept_waits_for_a_connection_whoever_makes_it() -> None:
    script = Script()
    script.add("reset_on_accept", at=Endpoint.REGISTRY)

    assert script.waiting() == {"connection": ["reset_on_accept"]}


def test_a_fault_on_an_answer_cannot_strike_a_connection() -> None:
    with pytest.raises(ValueError, match="cannot strike a connection"):
        Script().add("html", at=Endpoint.CONNECTION)


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="did you mean reset_in_body"):
        Script().add("reset_in_bdy")


def test_an_unknown_name_that_is_near_to_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no fault called 'qqqqqq'$"):
        Script().add("qqqqqq")


@pytest.mark.parametrize("times", [0, -1, 10_001])
def test_a_senseless_number_of_times_is_refused(times: int) -> None:
    script = Script()

    with pytest.raises(ValueError, match="times is 1 to 10000"):
        script.add("html", times=times)

    assert script.waiting() == {}


def test_clearing_drops_all_that_wait() -> None:
    script = Script()
    script.add("html", at=Endpoint.STS)
    script.add("close_on_accept")

    script.clear()

    assert script.waiting() == {}
    assert script.take(Endpoint.CONNECTION) is None
