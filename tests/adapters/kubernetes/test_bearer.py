"""As whom calls come: tokens in files that rotate, and commands that print them."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL

import pytest

from lightkeeper.adapters.kubernetes.access import Access, TokenFile
from lightkeeper.adapters.kubernetes.kubeconfig import Plugin
from lightkeeper.cluster import SecretSeen
from lightkeeper.core.credential import Secret
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Failed
from tests.adapters.kubernetes.api import (
    MANIFEST,
    SECRET,
    TOKEN,
    Asked,
    HandClock,
    Reply,
    Say,
    access,
    client_of,
    path_of,
    saying,
    serving,
    status,
    tokens_of,
)
from tests.simulator.asking import until

FINE = saying(Reply(body=SECRET))


def knowing(*tokens: str) -> Say:
    """A server that knows these tokens and no others."""

    def say(asked: Asked) -> Reply:
        (token,) = tokens_of([asked])
        return Reply(body=SECRET) if token in tokens else status(401, "Unauthorized")

    return say


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return path_of(tmp_path, "token", "one\n")


def with_file(url: str, path: Path) -> Access:
    return access(url, bearer=TokenFile(path))


async def test_a_token_comes_along() -> None:
    async with serving(FINE) as api, client_of(access(api.url, bearer=Secret(TOKEN))) as cluster:
        assert isinstance(await cluster.read_secret("ci", "login"), SecretSeen)

    assert tokens_of(api.asked) == [TOKEN]


async def test_a_token_file_is_read_again_when_it_is_older_than_a_minute(token_file: Path) -> None:
    clock = HandClock()
    async with serving(FINE) as api, client_of(with_file(api.url, token_file), clock=clock) as it:
        await it.read_secret("ci", "login")
        path_of(token_file.parent, "token", "two")
        await it.read_secret("ci", "login")
        clock.at += timedelta(seconds=61)
        await it.read_secret("ci", "login")

    assert tokens_of(api.asked) == ["one", "one", "two"]


async def test_a_token_that_is_refused_is_read_again_at_once(token_file: Path) -> None:
    async with (
        serving(knowing("two")) as api,
        client_of(with_file(api.url, token_file), clock=HandClock()) as cluster,
    ):
        first = await cluster.read_secret("ci", "login")
        path_of(token_file.parent, "token", "two")
        second = await cluster.read_secret("ci", "login")

    assert isinstance(first, Failed)
    assert first.reason is Reason.UNAUTHENTICATED
    assert isinstance(second, SecretSeen)
    assert tokens_of(api.asked) == ["one", "one", "two"], "the same one is not sent twice"


async def test_the_old_token_stays_while_none_can_be_read(token_file: Path) -> None:
    clock = HandClock()
    async with serving(FINE) as api, client_of(with_file(api.url, token_file), clock=clock) as it:
        await it.read_secret("ci", "login")
        for damage in (token_file.unlink, lambda: token_file.write_text("\n"), token_file.unlink):
            damage()
            clock.at += timedelta(seconds=61)
            assert isinstance(await it.read_secret("ci", "login"), SecretSeen)

    assert set(tokens_of(api.asked)) == {"one"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"a b", "what the file holds is none"),
        (b"a\nb", "what the file holds is none"),
        (b"\xff", "what the file holds is none"),
    ],
)
async def test_without_any_token_nothing_is_sent_and_it_is_told_why(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    async with serving(FINE) as api, client_of(with_file(api.url, path)) as cluster:
        outcome = await cluster.read_secret("ci", "login")

    detail = f"there is no token: {path}: {why}"
    assert outcome == Failed(reason=Reason.UNAUTHENTICATED, detail=detail)
    assert api.asked == []


V1 = "client.authentication.k8s.io/v1"
ASKED = {"kind": "ExecCredential", "apiVersion": V1}


def plugin(folder: Path, script: str) -> Plugin:
    """A command that a kubeconfig names."""
    path = folder / "get-token"
    path.write_text(f"#!/bin/sh\necho run >>{folder}/runs\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    env = {"WHO": "two", "KUBERNETES_EXEC_INFO": "of somebody else"}
    label = "users[x].user.exec"
    return Plugin(label=label, version=V1, command=str(path), args=("a",), env=env)


def printing(token: str, expires: str = "") -> str:
    told = {"token": token} | ({"expirationTimestamp": expires} if expires else {})
    return f"echo '{json.dumps(ASKED | {'status': told})}'"


def when_told(folder: Path) -> str:
    """To wait in a command for `tell`."""
    os.mkfifo(folder / "told")
    return f"read word <{folder}/told"


async def tell(folder: Path) -> None:
    """Let a command go on, once it waits."""

    def is_told() -> bool:
        try:
            end = os.open(folder / "told", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        os.write(end, b"go\n")
        os.close(end)
        return True

    await until(is_told)


def is_gone(folder: Path) -> bool:
    """Whether the process has ended that left its number."""
    process = Path("/proc", (folder / "pid").read_text().strip(), "cmdline")
    return not process.exists() or not process.read_bytes()


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text().splitlines())


async def test_a_command_is_run_once_for_many_calls(tmp_path: Path) -> None:
    """And not for each that begins before the first has ended, as by lightkube."""
    made = access("", bearer=plugin(tmp_path, f"sleep 0.2\n{printing('$1-$WHO')}"))
    script = tmp_path / "get-token"
    script.write_text(script.read_text().replace("'{", "{").replace("}'", "}").replace('"', '\\"'))
    async with serving(FINE) as api, client_of(access(api.url, bearer=made.bearer)) as cluster:
        await asyncio.gather(*(cluster.read_secret("ci", "login") for _ in range(8)))

    assert set(tokens_of(api.asked)) == {"a-two"}
    assert runs(tmp_path) == 1


async def test_a_command_is_run_again_ahead_of_expiry(tmp_path: Path) -> None:
    """Which lightkube does not look at."""
    clock = HandClock()
    bearer = plugin(tmp_path, printing(TOKEN, "2026-01-01T02:00:00Z"))
    async with (
        serving(FINE) as api,
        client_of(access(api.url, bearer=bearer), clock=clock) as cluster,
    ):
        for minutes in (0, 59, 0.6):
            clock.at += timedelta(minutes=minutes)
            await cluster.read_secret("ci", "login")
        await until(lambda: runs(tmp_path) == 2)


async def test_a_command_is_run_again_when_its_token_is_refused(tmp_path: Path) -> None:
    bearer = plugin(tmp_path, printing("t$(wc -l <" + f"{tmp_path}/runs" + ")"))
    script = tmp_path / "get-token"
    script.write_text(script.read_text().replace("'{", "{").replace("}'", "}").replace('"', '\\"'))
    async with (
        serving(knowing("t2")) as api,
        client_of(access(api.url, bearer=bearer)) as cluster,
    ):
        assert isinstance(await cluster.read_secret("ci", "login"), SecretSeen)

    assert tokens_of(api.asked) == ["t1", "t2"]


async def test_a_command_is_told_which_answer_is_wanted(tmp_path: Path) -> None:
    script = f'echo "$KUBERNETES_EXEC_INFO" >{tmp_path}/asked\n{printing(TOKEN)}'
    bearer = plugin(tmp_path, script)
    async with serving(FINE) as api, client_of(access(api.url, bearer=bearer)) as cluster:
        assert isinstance(await cluster.read_secret("ci", "login"), SecretSeen)

    asked = json.loads((tmp_path / "asked").read_text())
    assert asked == ASKED | {"spec": {"interactive": False}}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"echo {TOKEN} >&2; exit 3", "ended with status 3"),
        (f"echo {TOKEN}", "printed no ExecCredential"),
        (
            f"echo '{json.dumps(ASKED | {'status': {}})}'",
            "gave no token; certificates from a command are not supported",
        ),
        (
            printing(TOKEN).replace(V1, f"{V1}beta1"),
            f"printed no ExecCredential of {V1}, as it was asked to",
        ),
        (printing(TOKEN).replace(V1, ""), f"printed no ExecCredential of {V1}, as it was asked to"),
        (
            printing(TOKEN).replace("ExecC", "C"),
            f"printed no ExecCredential of {V1}, as it was asked to",
        ),
        (printing(TOKEN, "tomorrow"), "printed no ExecCredential"),
        (printing(TOKEN, "0001-01-01T00:00:00+23:00"), "printed no ExecCredential"),
        ("""printf '{"x":'; printf %0100000d 0 | tr 0 [""", "printed no ExecCredential"),
        (f"echo {TOKEN}; exec yes {TOKEN}", "printed more than 1048576 bytes"),
        (f"yes {TOKEN}; true", "printed more than 1048576 bytes"),
        (printing("\u00e9"), "gave no token; certificates from a command are not supported"),
    ],
)
async def test_a_command_that_fails_is_told_without_what_it_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], script: str, said: str
) -> None:
    bearer = plugin(tmp_path, script)
    async with serving(FINE) as api, client_of(access(api.url, bearer=bearer)) as cluster:
        outcome = await cluster.read_secret("ci", "login")

    assert TOKEN not in "".join(capfd.readouterr())
    detail = f"users[x].user.exec (get-token) {said}"
    assert outcome == Failed(reason=Reason.UNAUTHENTICATED, detail=detail)
    assert api.asked == []


async def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    bearer = Plugin(label="users[x].user.exec", version=V1, command=str(tmp_path / "none"))
    async with serving(FINE) as api, client_of(access(api.url, bearer=bearer)) as cluster:
        outcome = await cluster.read_secret("ci", "login")

    assert isinstance(outcome, Failed)
    assert outcome.detail.endswith("(none) cannot be run: No such file or directory")


@pytest.mark.parametrize("hang", ["echo $$ >pid; exec sleep 60", "sleep 60 & echo $! >pid; wait"])
async def test_a_command_that_hangs_does_not_outlive_its_deadline(
    tmp_path: Path, hang: str
) -> None:
    """Nor does what it has begun itself; and the API server is not said to have been asked."""
    bearer = plugin(tmp_path, f"cd {tmp_path}; {hang}")
    async with (
        serving(FINE) as api,
        client_of(access(api.url, bearer=bearer), command_seconds=2) as cluster,
    ):
        outcome = await cluster.apply_secret("ci", MANIFEST, "")

    said = "did not end within 2 s; run it by hand to see what it waits for"
    detail = f"users[x].user.exec (get-token) {said}"
    assert outcome == Failed(reason=Reason.UNAUTHENTICATED, detail=detail)
    assert api.asked == []
    await until(lambda: is_gone(tmp_path))


@pytest.mark.parametrize("end", ["wait", "exit"])
async def test_what_leaves_the_session_of_a_command_holds_up_nobody(
    tmp_path: Path, end: str
) -> None:
    """It lives on with the command's output open, whether the command has ended or not."""
    bearer = plugin(tmp_path, f"cd {tmp_path}; setsid sleep 60 & echo $! >>pids; {end}")
    async with (
        serving(FINE) as api,
        client_of(access(api.url, bearer=bearer), command_seconds=1) as cluster,
    ):
        async with asyncio.timeout(20):
            outcomes = [await cluster.read_secret("ci", "login") for _ in range(2)]
        for left in (tmp_path / "pids").read_text().split():
            os.kill(int(left), SIGKILL)

    assert all(isinstance(one, Failed) for one in outcomes)
    assert runs(tmp_path) == 2


async def test_a_command_may_take_longer_than_a_call(tmp_path: Path) -> None:
    bearer = plugin(tmp_path, f"sleep 1.5\n{printing(TOKEN)}")
    async with (
        serving(FINE) as api,
        client_of(access(api.url, bearer=bearer), deadline_seconds=1) as cluster,
    ):
        assert isinstance(await cluster.read_secret("ci", "login"), SecretSeen)


async def test_who_waits_no_longer_does_not_end_a_command(tmp_path: Path) -> None:
    """A Lease has less time than many a command needs."""
    bearer = plugin(tmp_path, f"{when_told(tmp_path)}\n{printing(TOKEN)}")
    async with (
        serving(FINE) as api,
        client_of(access(api.url, bearer=bearer)) as cluster,
        asyncio.TaskGroup() as tasks,
    ):
        hasty = tasks.create_task(cluster.read_lease("ci", "lightkeeper"), name="hasty")
        await until((tmp_path / "runs").exists)
        hasty.cancel()
        await asyncio.wait([hasty])
        await tell(tmp_path)
        outcome = await cluster.read_secret("ci", "login")

    assert isinstance(outcome, SecretSeen)
    assert runs(tmp_path) == 1


async def test_a_command_that_fails_is_run_once_for_the_calls_that_wait_for_it(
    tmp_path: Path,
) -> None:
    bearer = plugin(tmp_path, f"{when_told(tmp_path)}\nexit 3")
    async with (
        serving(FINE) as api,
        client_of(access(api.url, bearer=bearer)) as cluster,
        asyncio.TaskGroup() as tasks,
    ):
        each = [
            tasks.create_task(cluster.read_secret("ci", "login"), name="call") for _ in range(20)
        ]
        await until((tmp_path / "runs").exists)
        await tell(tmp_path)
        outcomes = await asyncio.gather(*each)

    detail = "users[x].user.exec (get-token) ended with status 3"
    assert outcomes == [Failed(reason=Reason.UNAUTHENTICATED, detail=detail)] * 20
    assert runs(tmp_path) == 1


async def test_a_token_that_is_good_for_a_while_is_used_while_its_command_runs(
    tmp_path: Path,
) -> None:
    clock = HandClock()
    often = f"[ $(wc -l <{tmp_path}/runs) = 1 ] || {when_told(tmp_path)}"
    bearer = plugin(tmp_path, f"{often}\n{printing(TOKEN, '2026-01-01T02:00:00Z')}")
    async with (
        serving(FINE) as api,
        client_of(access(api.url, bearer=bearer), clock=clock) as cluster,
    ):
        for seconds in (0, 3580, 5, 10):
            clock.at += timedelta(seconds=seconds)
            assert isinstance(await cluster.read_secret("ci", "login"), SecretSeen)
        await until(lambda: runs(tmp_path) == 2)

    assert tokens_of(api.asked) == [TOKEN] * 4


async def test_a_command_that_fails_ahead_of_expiry_is_run_again_after_a_while(
    tmp_path: Path,
) -> None:
    """And not with each call."""
    clock = HandClock()
    script = (
        f"[ $(wc -l <{tmp_path}/runs) = 1 ] || exit 1\n{printing(TOKEN, '2026-01-01T02:00:00Z')}"
    )
    bearer = plugin(tmp_path, script)
    async with (
        serving(FINE) as api,
        client_of(access(api.url, bearer=bearer), clock=clock) as cluster,
    ):
        await cluster.read_secret("ci", "login")
        clock.at += timedelta(minutes=59, seconds=35)
        await cluster.read_secret("ci", "login")
        await until(lambda: runs(tmp_path) == 2)
        for _ in range(20):
            assert isinstance(await cluster.read_secret("ci", "login"), SecretSeen)
        few = runs(tmp_path)
        clock.at += timedelta(seconds=11)
        async with asyncio.timeout(10):  # the one before may be about to end
            while runs(tmp_path) == few:
                await cluster.read_secret("ci", "login")
        clock.at += timedelta(minutes=1)
        late = await cluster.read_secret("ci", "login")

    assert few == 2
    assert isinstance(late, Failed), "the token has expired"


async def test_a_command_ends_with_its_client(tmp_path: Path) -> None:
    bearer = plugin(tmp_path, f"echo $$ >{tmp_path}/pid; exec sleep 60")
    async with (
        serving(FINE) as api,
        asyncio.TaskGroup() as tasks,
        client_of(access(api.url, bearer=bearer)) as cluster,
    ):
        call = tasks.create_task(cluster.read_secret("ci", "login"), name="call")
        await until(lambda: (tmp_path / "pid").exists() and not is_gone(tmp_path))
        call.cancel()

    assert is_gone(tmp_path)
