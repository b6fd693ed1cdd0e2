from __future__ import annotations

import json
from email import message_from_bytes
from itertools import islice

import pytest

from lightkeeper.simulator.faults import FAULTS
from lightkeeper.simulator.wire import End, Fault, Scene, Stage


def test_an_answer_is_a_head_and_a_body_of_the_length_that_it_says(scene: Scene) -> None:
    (answer,) = scene.answer(b"{}", 503, retry_after=20)

    line, _, rest = answer.partition(b"\r\n")
    head, _, body = rest.partition(b"\r\n\r\n")
    headers = message_from_bytes(head)
    assert line == b"HTTP/1.1 503 Service Unavailable"
    assert (headers["Content-Length"], headers["Retry-After"]) == ("2", "20")
    assert headers["Connection"] == "close"
    assert body == b"{}"


def test_a_header_that_is_none_is_left_out(scene: Scene) -> None:
    assert b"Date:" in scene.head()
    assert b"Date:" not in scene.head(date=None)


def test_a_login_has_the_members_that_were_changed(scene: Scene) -> None:
    login = json.loads(scene.login(username=None))["registryLogin"]

    assert login["username"] is None
    assert login["password"] == scene.credential.password


def test_an_error_has_its_code_in_header_and_body(scene: Scene) -> None:
    (answer,) = scene.error("ThrottlingException")

    assert b"\r\nX-Amzn-Errortype: ThrottlingException:" in answer
    assert b'"__type": "ThrottlingException"' in answer


def test_a_scene_does_not_show_its_password(scene: Scene) -> None:
    assert scene.credential.password not in repr(scene)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_every_fault_begins_to_send_without_a_mistake(scene: Scene, fault: Fault) -> None:
    pieces = list(islice(fault.pieces(scene), 3))

    assert all(pieces)
    assert pieces or fault.end is not End.CLOSE or fault.name.startswith("close_")


def test_a_fault_ends_its_connection_and_answers_a_request_unless_it_says_otherwise(
    scene: Scene,
) -> None:
    fault = Fault("plain", "Nothing")

    assert (fault.end, fault.stage, fault.issues) == (End.CLOSE, Stage.ANSWER, False)
    assert list(fault.pieces(scene)) == []
