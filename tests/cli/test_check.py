"""`check` tells what a write would fail of, as far as that can be told without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lightkeeper.adapters.state_dir import taken
from lightkeeper.cli.main import DONE, FAILED, MISUSED, main
from lightkeeper.config.environment import SYSTEM_STATE
from lightkeeper.config.rbac import USER
from lightkeeper.core.reasons import DELIVERY, Reason
from lightkeeper.core.upkeep import STORE
from tests.cli.test_closed import as_nobody, open_folder
from tests.integration.process import clean_environment, command, simulator

__all__ = ["open_folder"]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Flags of a user who has nothing yet."""
    monkeypatch.delenv("LIGHTKEEPER_CONFIG", raising=False)
    return _flags(tmp_path)


def _flags(folder: Path) -> list[str]:
    return [
        *("--region", "eu-central-1", "--docker-config", str(folder / "config.json")),
        *("--state-dir", str(folder / "state"), "--socket", str(folder / "control.sock")),
    ]


def _half(place: Path) -> None:
    place.write_text("{")


def _circle(place: Path) -> None:
    place.symlink_to(place)


@pytest.mark.parametrize(
    ("make", "reason", "said"),
    [
        (_half, Reason.MALFORMED, ""),
        (os.mkfifo, Reason.UNSAFE_PATH, "{place} is not a"),
        (_circle, Reason.UNSAFE_PATH, "{place}: links"),
    ],
)
def test_a_place_is_looked_at_before_any_credential_is_issued(
    make: Callable[[Path], object],
    reason: Reason,
    said: str,
    settings: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = tmp_path / "config.json"
    make(place)

    assert main(["check", *settings]) == FAILED

    _, row, advice = capsys.readouterr().out.splitlines()
    assert f"{place}  nothing: {reason}: {said.format(place=place)}" in row
    assert advice == f"{place}: {DELIVERY[reason].advice}"


def test_a_place_that_is_current_is_told_if_the_next_login_could_not_be_put_there(
    settings: list[str], tmp_path: Path
) -> None:
    with simulator(tmp_path) as lightsail:
        command(tmp_path, lightsail.environment, "once", *settings)
        place = tmp_path / "config.json"

        done = _within(f"mount --bind {place} {place}", tmp_path, "check", *settings)

    reason = Reason.SINGLE_FILE_MOUNT
    assert f"nothing: it is current, and the next would fail: {reason}: {place} is" in done.stdout
    assert f"{place}: {DELIVERY[reason].advice}\n" in done.stdout
    assert done.returncode == FAILED


@pytest.mark.parametrize("is_written_in_place", [False, True])
def test_a_file_that_is_mounted_alone_is_told_unless_it_is_written_in_place(
    tmp_path: Path,
    is_written_in_place: bool,  # noqa: FBT001
) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    place = folder / "config.json"
    place.write_text("{}")
    output = {"type": "docker_config", "path": str(place), "in_place": is_written_in_place}
    config = {
        "logins": [{"region": "eu-central-1", "outputs": [output]}],
        "state_dir": str(folder / "state"),
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    words = ("check", "--config", str(folder / "config.yaml"))

    done = _within(f"mount --bind '{place}' '{place}'", folder, *words)

    assert done.returncode == (DONE if is_written_in_place else FAILED)
    assert ("nothing: single_file_mount: " in done.stdout) is not is_written_in_place


def test_a_state_directory_that_is_read_only_is_told(settings: list[str], tmp_path: Path) -> None:
    state = tmp_path / "state"
    with taken(str(state)):
        pass
    mount = f"mount --bind {state} {state}; mount -o remount,bind,ro {state}"

    done = _within(mount, tmp_path, "check", *settings)

    assert done.stderr == (
        f"lightkeeper check: the state directory cannot be used: {state}/lock: Read-only file"
        f" system\n  {STORE[Reason.READ_ONLY].advice}\n"
    )
    assert done.returncode == FAILED


def test_where_the_state_is_in_a_cluster_no_state_directory_is_asked_of(tmp_path: Path) -> None:
    """In a pod there is none, and its place is read-only; nobody cares who may look into it."""
    config = tmp_path / "config.yaml"
    config.write_text(
        "logins:\n  - region: eu-central-1\n"
        f"    outputs: [{{type: docker_config, path: {tmp_path}/config.json}}]\n"
        "state: {secret: none}\n"
    )
    folder = str(Path(SYSTEM_STATE).parent)
    mount = (
        f"mount -t tmpfs none {folder}; mkdir -m 777 {SYSTEM_STATE}; mount -o remount,ro {folder}"
    )

    done = _within(mount, tmp_path, "check", "--config", str(config))

    assert (done.returncode, done.stderr) == (DONE, "")


def test_a_state_directory_that_cannot_be_made_is_told(
    open_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    open_folder.chmod(0o755)
    (open_folder / "closed").mkdir(mode=0o755)
    words = [*_flags(open_folder), "--state-dir", str(open_folder / "closed" / "state")]

    with as_nobody():
        assert main(["check", *words]) == FAILED

    said = capsys.readouterr()
    assert "an entry, once a credential is issued" in said.out
    assert said.err.startswith(
        f"lightkeeper check: the state directory cannot be used: {open_folder}/closed: Permission"
    )


@pytest.mark.skipif(os.getuid() != 0, reason="only root is told to be another user")
def test_root_is_told_the_whole_command_of_the_user_whose_state_it_is(
    open_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*_flags(open_folder), "--state-dir", str(open_folder)]

    assert main(["check", "--online", *words]) == FAILED

    said = capsys.readouterr().err
    assert f"{open_folder} belongs to another user; run it as that one: sudo -u nobody " in said
    assert " check --online --state-dir " in said


def _within(mount: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command where something is mounted; what it is, nobody else sees."""
    if os.getuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("mount namespaces are not to be had here")
    within = ("unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{mount}; exec "$@"')
    return subprocess.run(
        [*within, "sh", sys.executable, "-m", "lightkeeper", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean_environment(folder),
    )


def test_what_its_clusters_have_to_grant_is_printed_as_it_is_applied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "logins:\n  - region: eu-central-1\n    outputs:\n"
        "      - {type: kubernetes_secret, namespaces: [ci]}\n"
    )

    assert main(["check", "--rbac", "--config", str(file)]) == DONE

    role, binding = yaml.safe_load_all(capsys.readouterr().out)
    assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "ci")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_what_other_clusters_have_to_grant_is_told_apart_with_whom_it_is_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "logins:\n  - region: eu-central-1\n    outputs:\n"
        "      - {type: kubernetes_secret, namespaces: [ci]}\n"
        "      - type: kubernetes_secret\n        name: there\n        namespaces: [ci]\n"
        "        cluster: {kubeconfig: '/a b', context: y}\n"
    )

    assert main(["check", "--rbac", "--config", str(file)]) == DONE

    printed = capsys.readouterr().out
    comments = [line for line in printed.splitlines() if line.startswith("#")]
    kubectl = "kubectl --kubeconfig '/a b' --context y"
    assert comments == [
        "# For the cluster that Lightkeeper runs in: kubectl apply -f -",
        "# Bound to the ServiceAccount lightkeeper/lightkeeper, or to whom you put in its place.",
        f"# For another cluster, as whoever may grant it there: {kubectl} apply -f -",
        f"# Bound to the user of that kubeconfig; in place of {USER} put the name that",
        f"# it has there: {kubectl} auth whoami",
    ]
    own, other = (one["subjects"][0] for one in [*yaml.safe_load_all(printed)][1::2])
    assert (own["kind"], other["kind"]) == ("ServiceAccount", "User")


def test_where_nothing_is_in_a_cluster_it_is_said_that_no_right_is_needed(
    settings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--rbac", *settings]) == DONE

    said = capsys.readouterr()
    assert (said.out, "no right is needed" in said.err) == ("", True)


def test_rights_are_printed_or_proved_and_not_both(
    settings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "--rbac", "--online", *settings])

    assert ended.value.code == MISUSED
    assert "--online: not allowed with argument --rbac" in capsys.readouterr().err
