"""What each answer of an API server comes to: the table, by way of real connections."""

from __future__ import annotations

import pytest

from lightkeeper.cluster import SecretSeen, Stale
from lightkeeper.core.reasons import DELIVERY, Reason
from lightkeeper.ports import Failed
from tests.adapters.kubernetes.api import (
    MANIFEST,
    PASSWORD,
    SECRET,
    Nothing,
    Reply,
    cause,
    client_of,
    saying,
    serving,
    status,
    talking,
)

QUOTING = f"parse error near {PASSWORD}"
RBAC = (
    'secrets "login" is forbidden: User "system:serviceaccount:ci:x" cannot patch resource'
    ' "secrets" in API group "" in the namespace "ci"'
)
HTML = Reply(status=502, body=b"<html>no</html>", kind="text/html")


async def applied(*replies: Reply | Nothing) -> SecretSeen | Stale | Failed:
    async with talking(*replies) as (_, cluster):
        return await cluster.apply_secret("ci", MANIFEST, "")


ANSWERS = {
    "no token": (status(401, "Unauthorized"), Reason.UNAUTHENTICATED),
    "rbac": (status(403, "Forbidden", RBAC), Reason.ACCESS_DENIED),
    "rbac of a create by apply on 1.20": (status(403, "Forbidden"), Reason.ACCESS_DENIED),
    "nobody": (
        status(403, "Forbidden", RBAC.replace("system:serviceaccount:ci:x", "system:anonymous")),
        Reason.UNAUTHENTICATED,
    ),
    "terminating": (
        status(403, "Forbidden", QUOTING, causes=[cause("NamespaceTerminating", "x", "y")]),
        Reason.NAMESPACE_TERMINATING,
    ),
    "quota": (
        status(403, "Forbidden", 'secrets "x" is forbidden: exceeded quota: q, used: secrets=5'),
        Reason.INVALID_INPUT,
    ),
    "admission": (
        status(403, "Forbidden", f'admission webhook "no.example" denied it: {QUOTING}'),
        Reason.INVALID_INPUT,
    ),
    "no namespace": (
        status(404, "NotFound", 'namespaces "ci" not found', kind="namespaces"),
        Reason.NAMESPACE_MISSING,
    ),
    "no such path": (Reply(status=404, body=b"404", kind="text/plain"), Reason.SERVICE_ERROR),
    "request too large": (status(413, "RequestEntityTooLarge"), Reason.TOO_LARGE),
    "type": (
        status(
            422, "Invalid", causes=[cause("FieldValueInvalid", "x: field is immutable", "type")]
        ),
        Reason.WRONG_TYPE,
    ),
    "immutable": (
        status(
            422,
            "Invalid",
            causes=[
                cause("FieldValueForbidden", "field is immutable when `immutable` is set", "data")
            ],
        ),
        Reason.IMMUTABLE,
    ),
    "too long": (
        status(422, "Invalid", causes=[cause("FieldValueTooLong", "Too long: x", "data")]),
        Reason.TOO_LARGE,
    ),
    "not json": (
        status(
            422,
            "Invalid",
            QUOTING,
            causes=[cause("FieldValueInvalid", QUOTING, "data[.dockerconfigjson]")],
        ),
        Reason.INVALID_INPUT,
    ),
    "bad request": (status(400, "BadRequest", QUOTING), Reason.INVALID_INPUT),
    "wrong content type": (status(415, "UnsupportedMediaType"), Reason.INVALID_INPUT),
    "a bug of ours": (status(500, "", QUOTING), Reason.INTERNAL_ERROR),
    "a bug of theirs": (status(500, "InternalError", QUOTING), Reason.SERVICE_ERROR),
    "unavailable": (status(503, "ServiceUnavailable"), Reason.SERVICE_ERROR),
    "a proxy's 500": (
        Reply(status=500, body=b"<html>", kind="text/html"),
        Reason.SERVICE_ERROR,
    ),
    "somebody else's 500": (Reply(status=500, body={"kind": "Error"}), Reason.SERVICE_ERROR),
    "a proxy's 502": (HTML, Reason.SERVICE_ERROR),
    "https is spoken there": (
        Reply(
            status=400,
            body=b"Client sent an HTTP request to an HTTPS server.\n",
            kind="text/plain; charset=utf-8",
        ),
        Reason.SERVICE_ERROR,
    ),
    "a stranger's 403": (
        Reply(status=403, body=b"<html>no</html>", kind="text/html"),
        Reason.SERVICE_ERROR,
    ),
    "a stranger's 409": (Reply(status=409, body={"kind": "Error"}), Reason.SERVICE_ERROR),
    "a stranger's 422": (Reply(status=422, body={"detail": "no"}), Reason.SERVICE_ERROR),
    "a gateway's 401": (
        Reply(status=401, body=b"<html>no</html>", kind="text/html"),
        Reason.UNAUTHENTICATED,
    ),
    "a gateway's 413": (
        Reply(status=413, body=b"<html>no</html>", kind="text/html"),
        Reason.TOO_LARGE,
    ),
    "too many requests": (
        Reply(status=429, body=b"Too many requests", kind="text/plain; charset=utf-8"),
        Reason.THROTTLED,
    ),
    "a proxy that asks for a login": (
        Reply(status=407, body=b"<html>", kind="text/html"),
        Reason.PROXY,
    ),
    "elsewhere": (
        Reply(status=307, body=b"", headers={"Location": "http://127.0.0.1:1/"}),
        Reason.SERVICE_ERROR,
    ),
    "a page in place of an object": (Reply(body=b"<html>", kind="text/html"), Reason.SERVICE_ERROR),
    "a list in place of an object": (Reply(body=[1]), Reason.SERVICE_ERROR),
    "data that is no base64": (Reply(body=SECRET | {"data": {"x": "a"}}), Reason.SERVICE_ERROR),
    "cut": (Nothing(is_cut=True), Reason.NETWORK),
}


@pytest.mark.parametrize(("reply", "reason"), ANSWERS.values(), ids=list(ANSWERS))
async def test_each_answer_has_its_reason(reply: Reply | Nothing, reason: Reason) -> None:
    outcome = await applied(reply)

    assert isinstance(outcome, Failed)
    assert outcome.reason is reason
    assert reason in DELIVERY
    assert "\n" not in outcome.detail
    assert PASSWORD not in outcome.detail


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "text/plain; charset=utf-8", None]
)
@pytest.mark.parametrize("code", [403, 409, 422, 500])
async def test_a_status_is_read_whatever_its_content_type_is_called(
    kind: str | None, code: int
) -> None:
    """`application/json` alone is known to lightkube; it falls over one that names no type."""
    told = status(code, "Any", "x", causes=[cause("NamespaceTerminating", "x", "y")])

    outcome = await applied(Reply(status=code, body=told.body, kind=kind))

    match code:
        case 403:
            assert isinstance(outcome, Failed)
            assert outcome.reason is Reason.NAMESPACE_TERMINATING
        case 409:
            assert outcome == Stale()
        case _:
            assert isinstance(outcome, Failed)
            assert outcome.detail.startswith(f"the API server answered {code} Any")


async def test_whoever_answers_in_the_place_of_an_api_server_is_told_as_that() -> None:
    outcome = await applied(Reply(status=403, body=b"<html>no</html>", kind="text/html"))

    assert outcome == Failed(
        reason=Reason.SERVICE_ERROR,
        detail="the API server answered 403, not as an API server does",
    )


async def test_a_conflict_of_versions_is_stale() -> None:
    message = "the object has been modified; please apply your changes to the latest version"

    assert await applied(status(409, "Conflict", message)) == Stale()
    assert await applied(status(409, "AlreadyExists")) == Stale()


async def test_another_uid_is_stale() -> None:
    causes = [cause("FieldValueInvalid", "field is immutable", "metadata.uid")]

    assert await applied(status(422, "Invalid", causes=causes)) == Stale()


async def test_what_rbac_forbids_is_quoted_and_what_a_webhook_says_is_not() -> None:
    by_rbac, by_webhook = (
        await applied(status(403, "Forbidden", RBAC)),
        await applied(
            status(403, "Forbidden", f'admission webhook "no.example" denied: {QUOTING}')
        ),
    )

    assert isinstance(by_rbac, Failed)
    assert by_rbac.detail == (
        'the API server answered 403 Forbidden: User "system:serviceaccount:ci:x" cannot patch'
        ' resource "secrets" in API group "" in the namespace "ci"'
    )
    assert isinstance(by_webhook, Failed)
    assert by_webhook.detail == (
        'the API server answered 403 Forbidden: by admission webhook "no.example"'
    )


@pytest.mark.parametrize(
    ("code", "word"), [(401, "Unauthorized"), (403, "Forbidden"), (422, "Invalid")]
)
@pytest.mark.parametrize("binding", ["", " with binding 'all'"])
@pytest.mark.parametrize("said", [QUOTING, RBAC, "exceeded quota"])
async def test_a_policy_that_denies_is_named_and_no_right_is_missing(
    code: int, word: str, said: str, binding: str
) -> None:
    """Whichever code it chooses; what it says could quote what was sent."""
    policy = f"ValidatingAdmissionPolicy 'no.example'{binding} denied request"

    outcome = await applied(status(code, word, f'secrets "login" is forbidden: {policy}: {said}'))

    assert outcome == Failed(
        reason=Reason.INVALID_INPUT,
        detail=f'the API server answered {code} {word}: by admission policy "no.example"',
    )


async def test_the_fields_at_fault_are_named() -> None:
    causes = [cause("FieldValueInvalid", QUOTING, one) for one in ("metadata.labels", "data[x]")]

    outcome = await applied(status(422, "Invalid", causes=causes))

    assert isinstance(outcome, Failed)
    assert outcome.detail == "the API server answered 422 Invalid: metadata.labels, data[x]"


async def test_a_missing_secret_is_none_and_a_missing_path_is_not() -> None:
    page = Reply(status=404, body=b"<html>no</html>", kind="text/html")
    async with talking(status(404, "NotFound", kind="secrets"), page) as (_, cluster):
        assert await cluster.read_secret("ci", "login") is None
        outcome = await cluster.read_secret("ci", "login")

    assert isinstance(outcome, Failed)


async def test_nobody_listens() -> None:
    async with serving(saying(HTML)) as api:
        url = api.url
    async with client_of(url) as cluster:
        outcome = await cluster.read_secret("ci", "login")

    assert outcome == Failed(reason=Reason.NETWORK, detail="Connection refused")


async def test_a_name_that_leads_nowhere() -> None:
    async with client_of("https://name.invalid") as cluster:
        outcome = await cluster.read_secret("ci", "login")

    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.NETWORK
