"""What becomes of our Secrets where they are served no more, if that is asked for."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta

import pytest
from msgspec.structs import replace

from lightkeeper.adapters.kubernetes.manifest import KEY, TYPE
from lightkeeper.adapters.kubernetes.output import KubernetesSecret
from lightkeeper.adapters.kubernetes.targets import ServedSecret
from lightkeeper.core.credential import Credential
from lightkeeper.core.docker_config import parse
from lightkeeper.core.facts import LoginName, Place
from lightkeeper.core.namespaces import Choice
from lightkeeper.core.state import Known
from lightkeeper.ports import Put
from tests.adapters.kubernetes.test_targets import NAME, OUTPUT, Reached, Scene
from tests.core.making import LOGIN, a_credential
from tests.fakes.cluster import BROKEN, FINE, UNREACHABLE, Fate
from tests.fakes.edge import turns
from tests.filing import a_delivery

KEY_OF_ONE = ("team-a", NAME)
PLACE = Place(output=OUTPUT, name=f"team-a/{NAME}")
HELD = a_delivery().credential
BY_LABEL = Choice.of([], "ci=true", [])


def a_scene(*, is_pruned: bool = True, is_shared: bool = False) -> Scene:
    scene = Scene(BY_LABEL, is_pruned=is_pruned, is_shared=is_shared)
    scene.server.label_namespace("team-a", {"ci": "true"})
    scene.targets.hooks.known = lambda *_: [known_as(HELD)]
    return scene


def known_as(credential: Credential) -> Known:
    return Known(
        digest=credential.digest,
        registry=credential.registry,
        expires_at=credential.expires_at,
    )


async def put(output: KubernetesSecret) -> None:
    assert isinstance(await output.deliver(PLACE, a_delivery()), Put)


def entries(scene: Scene) -> set[str]:
    """The registries that the Secret has a login for."""
    return {one.key for one in parse(scene.server.secrets[KEY_OF_ONE].seen().data[KEY]).entries}


async def drop(scene: Scene) -> None:
    """The namespace has the label no more."""
    scene.server.label_namespace("team-a", {"ci": None})
    await scene.changed()
    await turns()


async def told(scene: Scene, deleting: Fate) -> tuple[list[str], list[str]]:
    """What is told after one more try, which the API server answers in this way."""
    scene.cluster.fate = lambda call: deleting if call.startswith("delete") else FINE
    scene.targets.beat()
    await turns()
    return scene.not_left, scene.not_pruned


@pytest.mark.parametrize("is_pruned", [False, True])
async def test_a_secret_is_deleted_where_it_serves_no_more_if_that_was_asked_for(
    *, is_pruned: bool
) -> None:
    scene = a_scene(is_pruned=is_pruned)
    async with scene.running() as output:
        await scene.changed()
        await put(output)

        await drop(scene)

        assert (KEY_OF_ONE in scene.server.secrets) is not is_pruned
    assert scene.not_left == ([PLACE.name] if is_pruned else [])
    assert scene.pruned == ([[PLACE.name]] if is_pruned else [])
    assert scene.not_pruned == []


async def test_a_secret_that_could_not_be_deleted_is_told_once_and_tried_again() -> None:
    scene = a_scene()
    async with scene.running() as output:
        await scene.changed()
        await put(output)
        scene.cluster.fate = lambda call: UNREACHABLE if call.startswith("get") else FINE
        await drop(scene)
        assert (scene.not_left, scene.not_pruned) == ([], [PLACE.name])

        assert await told(scene, BROKEN) == ([], [PLACE.name])
        assert KEY_OF_ONE in scene.server.secrets
        assert await told(scene, FINE) == ([PLACE.name], [PLACE.name])
        assert KEY_OF_ONE not in scene.server.secrets


async def test_what_fails_is_not_tried_again_each_time_that_a_namespace_comes() -> None:
    scene = a_scene()
    tries: list[str] = []

    def broken(call: str) -> Fate:
        if not call.startswith("delete"):
            return FINE
        tries.append(call)
        return BROKEN

    async with scene.running() as output:
        await scene.changed()
        await put(output)
        scene.cluster.fate = broken
        await drop(scene)
        for number in range(5):
            scene.server.namespace(f"more-{number}")
            scene.server.label_namespace(f"more-{number}", {"ci": "true"})
            await scene.changed()
            await turns()

    assert len(tries) == 1


@pytest.mark.parametrize("is_shared", [False, True])
async def test_a_secret_that_is_served_again_stays(*, is_shared: bool) -> None:
    """The label is back while the prune waits for a delivery into the same Secret."""
    scene = a_scene(is_shared=is_shared)
    async with scene.running() as output:
        await scene.changed()
        await put(output)
        writers = scene.targets._reach(scene.served.where).writers  # noqa: SLF001 - its lock is the point
        async with writers.writing(PLACE.name):
            await drop(scene)
            scene.server.label_namespace("team-a", {"ci": "true"})
            await scene.changed()
        await turns()

        assert entries(scene) == {HELD.registry}
        assert await told(scene, FINE) == ([], [])


async def test_a_secret_that_is_served_again_while_it_is_read_stays() -> None:
    scene = a_scene()
    async with scene.running() as output:
        await scene.changed()
        await put(output)
        scene.cluster.fate = lambda call: Fate(answers=0.05) if call.startswith("get") else FINE
        await drop(scene)
        scene.server.label_namespace("team-a", {"ci": "true"})
        await scene.changed()
        async with (
            asyncio.timeout(5),
            scene.targets._reach(scene.served.where).writers.writing(PLACE.name),  # noqa: SLF001
        ):
            assert KEY_OF_ONE in scene.server.secrets

    assert (scene.not_left, scene.not_pruned) == ([], [])


async def test_a_secret_that_is_written_between_look_and_delete_stays_until_the_next_try() -> None:
    """Whoever leads by now may serve it again, and our watch not know of it yet."""
    scene = a_scene()

    def meanwhile(call: str) -> Fate:
        if call.startswith("delete"):
            scene.server.edit_secret("team-a", NAME, {("labels", "x"): "y"}, "lightkeeper")
            scene.cluster.fate = lambda _: FINE
        return FINE

    async with scene.running() as output:
        await scene.changed()
        await put(output)
        scene.cluster.fate = meanwhile
        await drop(scene)

        assert KEY_OF_ONE in scene.server.secrets
        assert (scene.not_left, scene.not_pruned) == ([], [])
        assert await told(scene, FINE) == ([PLACE.name], [])


async def test_a_secret_of_another_lightkeepers_login_of_this_name_stays() -> None:
    """It serves the namespace now; the login of ours never had what is there."""
    scene = a_scene()
    async with scene.running() as output:
        await scene.changed()
        await put(output)
        scene.targets.hooks.known = lambda _, __: [known_as(a_credential("another"))]
        await drop(scene)

        assert KEY_OF_ONE in scene.server.secrets
    assert scene.not_left == []


async def test_a_secret_that_another_output_of_the_login_has_there_stays() -> None:
    scene = a_scene()
    other = replace(scene.served, name="other", choice=Choice(names=("team-a",)), is_pruned=False)
    async with scene.running() as output:
        await scene.changed()
        await put(output)
        scene.targets.serve([scene.served, other])
        await drop(scene)

    assert KEY_OF_ONE in scene.server.secrets
    assert scene.not_left == []


@pytest.mark.parametrize("whose", ["another login", "somebody"])
async def test_what_is_not_ours_stays_and_is_not_told_as_pruned(whose: str) -> None:
    scene = a_scene()
    async with scene.running() as output:
        await scene.changed()
        await put(output)
        if whose == "somebody":
            scene.server.edit_secret("team-a", NAME, {("data", KEY): b"{}"}, "kubectl-edit")
        else:
            mark = ("annotations", "lightkeeper.io/login")
            scene.server.edit_secret("team-a", NAME, {mark: "another"}, "lightkeeper")

        await drop(scene)

    assert KEY_OF_ONE in scene.server.secrets
    assert (scene.not_left, scene.not_pruned) == ([], [])


async def test_a_secret_that_somebody_deleted_is_gone() -> None:
    scene = a_scene()
    async with scene.running() as output:
        await scene.changed()
        await put(output)
        scene.server.delete_secret(*KEY_OF_ONE)
        await drop(scene)

    assert scene.not_left == [PLACE.name]
    assert scene.pruned == []


async def test_what_is_pruned_in_one_go_is_told_in_one() -> None:
    scene = a_scene()
    other = Place(output=OUTPUT, name=f"ci/{NAME}")
    scene.server.label_namespace("ci", {"ci": "true"})
    async with scene.running() as output:
        await scene.changed()
        await put(output)
        assert isinstance(await output.deliver(other, a_delivery()), Put)
        scene.targets.serve([elsewhere(scene)])
        await turns()

    assert scene.pruned == [[other.name, PLACE.name]]


async def test_what_was_pruned_is_told_though_the_end_comes_before_the_rest() -> None:
    scene = a_scene()
    other = Place(output=OUTPUT, name=f"ci/{NAME}")
    scene.server.label_namespace("ci", {"ci": "true"})

    def held_up(call: str) -> Fate:
        is_later = call.startswith("get") and ("ci", NAME) not in scene.server.secrets
        return Fate(answers=None) if is_later else FINE

    async with scene.running() as output:
        await scene.changed()
        await put(output)
        assert isinstance(await output.deliver(other, a_delivery()), Put)
        scene.cluster.fate = held_up
        scene.targets.serve([elsewhere(scene)])
        await turns()
        assert scene.pruned == []

    assert scene.pruned == [[other.name]]


async def test_of_a_namespace_that_ends_nothing_is_asked() -> None:
    """It takes all that is in it."""
    scene = a_scene()
    calls: list[str] = []
    async with scene.running() as output:
        await scene.changed()
        await put(output)

        def noted(call: str) -> Fate:
            calls.append(call)
            return FINE

        scene.cluster.fate = noted
        scene.server.end_namespace("team-a")
        await scene.changed()
        await turns()

    assert calls == []
    assert scene.not_pruned == []


async def test_of_a_shared_secret_our_entry_goes_and_the_rest_stays() -> None:
    scene = a_scene(is_shared=True)
    document = base64.b64encode(b'{"auths": {"ghcr.io": {"auth": "Zm9yOnRlc3Q="}}}').decode()
    theirs = {"metadata": {"name": NAME}, "type": TYPE, "data": {KEY: document}}
    scene.server.apply_secret("team-a", theirs, "argocd")
    async with scene.running() as output:
        await scene.changed()
        await put(output)
        assert entries(scene) == {HELD.registry, "ghcr.io"}

        await drop(scene)

    assert entries(scene) == {"ghcr.io"}
    there = scene.server.secrets[KEY_OF_ONE].seen()
    assert not [key for key in there.annotations if key.startswith(f"{LOGIN}.")]
    assert (scene.not_left, scene.not_pruned) == ([PLACE.name], [])
    assert scene.pruned == [[PLACE.name]]


@pytest.mark.parametrize("call", ["get", "delete"])
async def test_who_leads_no_more_deletes_nothing(call: str) -> None:
    """Neither what is due, nor what was read while it led."""
    scene = a_scene()
    leads = call == "delete"
    scene.targets.hooks.leads = lambda: leads

    def ends(_: str) -> Fate:
        nonlocal leads
        leads = False
        return FINE

    async with scene.running() as output:
        await scene.changed()
        await put(output)
        scene.cluster.fate = ends
        await drop(scene)

        assert KEY_OF_ONE in scene.server.secrets
        assert (scene.not_left, scene.not_pruned) == ([], [])
        leads = True
        assert await told(scene, FINE) == ([PLACE.name], [])


async def test_who_drains_waits_for_the_deletion_under_way_and_begins_no_other() -> None:
    scene = a_scene()
    scene.server.label_namespace("ci", {"ci": "true"})
    under_way = asyncio.Event()

    def late(call: str) -> Fate:
        if not call.startswith("delete"):
            return FINE
        under_way.set()
        return Fate(arrives=0.05)

    async with scene.running() as output:
        await scene.changed()
        await put(output)
        await output.deliver(Place(output=OUTPUT, name=f"ci/{NAME}"), a_delivery())
        scene.cluster.fate = late
        for name in ("ci", "team-a"):
            scene.server.label_namespace(name, {"ci": None})
        async with asyncio.timeout(5):
            await under_way.wait()
            await scene.targets.drain()

        assert scene.not_left == [f"ci/{NAME}"]
        assert [*scene.server.secrets] == [KEY_OF_ONE]


async def test_what_could_not_be_pruned_is_still_to_be_after_a_reload() -> None:
    scene = a_scene()
    async with scene.running() as output:
        await scene.changed()
        await put(output)
        scene.cluster.fate = lambda call: BROKEN if call.startswith("delete") else FINE
        await drop(scene)

        scene.targets.serve([scene.served])
        await turns()
        assert scene.not_pruned == [PLACE.name]
        assert await told(scene, FINE) == ([PLACE.name], [PLACE.name])


async def test_what_an_output_served_before_a_reload_is_pruned() -> None:
    scene = a_scene()
    async with scene.running() as output:
        await scene.changed()
        await put(output)
        narrowed = replace(scene.served, choice=Choice(names=("ci",)), known=frozenset({"team-a"}))
        scene.targets.serve([narrowed])
        await turns()

    assert scene.not_left == [PLACE.name]


async def test_of_an_output_that_is_configured_no_more_nothing_is_deleted() -> None:
    scene = a_scene()
    other = replace(scene.served, login=LoginName("other"), choice=Choice(names=("ci",)))
    async with scene.running() as output:
        await scene.changed()
        await put(output)
        scene.cluster.fate = lambda call: Fate(answers=0.05) if call.startswith("get") else FINE
        await drop(scene)
        writers = scene.targets._reach(scene.served.where).writers  # noqa: SLF001
        scene.targets.serve([other])
        async with asyncio.timeout(5), writers.writing(PLACE.name):
            pass

    assert KEY_OF_ONE in scene.server.secrets


async def test_who_delivers_hears_before_it_is_told_what_is_gone() -> None:
    """Else it would keep the place as one that has an entry of its still."""
    scene = a_scene()
    scene.targets._pause = timedelta(seconds=0.2).total_seconds()  # noqa: SLF001
    heard: list[object] = []
    async with scene.running() as output:
        await scene.changed()
        await put(output)
        scene.targets.hooks.changed = lambda: heard.append("changed")
        gone = asyncio.Event()

        def pruned(_: LoginName, place: Place) -> None:
            heard.append(place)
            gone.set()

        scene.targets.hooks.not_left = pruned
        scene.server.label_namespace("team-a", {"ci": None})
        async with asyncio.timeout(5):
            await gone.wait()

    assert heard == ["changed", PLACE]


def elsewhere(scene: Scene) -> ServedSecret:
    """Another configuration has the output serve none of what it did."""
    known = frozenset({"ci", "team-a"})
    return replace(scene.served, choice=Choice(names=("elsewhere",)), known=known)


async def left_behind(scene: Scene) -> None:
    """A former process wrote the Secret, and could not delete it."""
    async with scene.running() as output:
        await scene.changed()
        await put(output)
    await turns()


def after_it(scene: Scene) -> Scene:
    """The next process, which knows of what was left by the state."""
    again = Scene(BY_LABEL, is_pruned=True)
    again.server, again.cluster = scene.server, Reached(scene.server, scene.cluster.identity)
    again.served = replace(again.served, left=frozenset({"team-a"}))
    again.targets.hooks.known = scene.targets.hooks.known
    return again


async def test_what_a_former_process_could_not_delete_is_tried_again() -> None:
    scene = a_scene()
    await left_behind(scene)
    scene.server.label_namespace("team-a", {"ci": None})
    await turns()
    again = after_it(scene)
    async with again.running():
        await again.changed()
        await turns()

    assert KEY_OF_ONE not in scene.server.secrets
    assert (again.not_left, again.pruned) == ([PLACE.name], [[PLACE.name]])


async def test_what_was_left_and_is_meant_again_stays() -> None:
    """Which namespaces are meant is not known until they are listed."""
    scene = a_scene()
    await left_behind(scene)
    again = after_it(scene)
    again.cluster.fate = lambda call: UNREACHABLE if call.startswith("watch") else FINE
    async with again.running():
        again.targets.beat()
        await turns()
        assert KEY_OF_ONE in scene.server.secrets
        again.cluster.fate = lambda _: FINE
        await again.changed()
        await turns()

    assert KEY_OF_ONE in scene.server.secrets
    assert (again.not_left, again.not_pruned) == ([], [])
