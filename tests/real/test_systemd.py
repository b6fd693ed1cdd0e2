"""The unit that we ship, under a real systemd: it starts, tells, reloads, is watched and ends."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.process import Simulated, eventually, simulator
from tests.real.starting import HERE, lacking, started

ROOT = HERE.parent.parent
UNIT = ROOT / "systemd" / "lightkeeper.service"
VENV = Path(sys.prefix)
DROP_INS = "/etc/systemd/system/lightkeeper.service.d"
FOLDER = "/srv/ci"
LAUNCHER = """\
#!/opt/venv/bin/python
import sys
sys.path.insert(0, "/opt/source")
from lightkeeper.cli.main import main
sys.exit(main())
"""
"""What `pip install` would have put there; a checkout below /tmp is hidden in the box."""
WHY_NOT = lacking("systemd-nspawn", "systemd-analyze", root=True) or (
    "a service's user may not enter the home that this interpreter is in"
    if Path(sys.executable).resolve().is_relative_to(Path.home())
    else ""
)

pytestmark = [
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT),
    pytest.mark.timeout(180),
]


@dataclass(frozen=True)
class Box:
    """A booted systemd, with the project where the unit expects it."""

    folder: Path

    def run(self, *command: str, data: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root."""
        return subprocess.run(
            [HERE / "systemd-box", "exec", self.folder, "--", *command],
            input=data,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def do(self, *command: str, data: str = "") -> str:
        """Run one that has to go well; what it printed."""
        done = self.run(*command, data=data)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, content: str) -> None:
        self.do("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1"', "sh", path, data=content)


@dataclass(frozen=True)
class Service:
    """The unit, told to deliver what a simulator issues."""

    box: Box
    lightsail: Simulated

    def shows(self, name: str) -> str:
        """A property of the unit."""
        return self.box.do("systemctl", "show", "lightkeeper", "-p", name, "--value").strip()

    def configure(self, *places: str) -> None:
        outputs = "".join(f"\n      - {{type: docker_config, path: {one}}}" for one in places)
        self.box.write(
            "/etc/lightkeeper/config.yaml",
            f"web: {{listen: none}}\nlogins:\n  - name: prod\n    outputs:{outputs}\n",
        )

    def auth(self, place: str) -> str:
        """Our entry's `auth` in a place; empty if there is none yet."""
        found = self.box.run("cat", place).stdout
        entries = json.loads(found)["auths"] if found else {}
        return str(entries.get(self.lightsail.registry, {}).get("auth", ""))

    def has_delivered(self, place: str) -> None:
        eventually(f"a login in {place}", lambda: self.auth(place), [self.journal()])

    def journal(self) -> str:
        return self.box.do("journalctl", "--no-pager", "-o", "cat", "-u", "lightkeeper")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder = tmp_path_factory.mktemp("systemd") / "box"
    binds = [f"--bind-ro={VENV}:/opt/venv", f"--bind-ro={ROOT / 'daemon'}:/opt/source"]
    with started("systemd-box", folder, *binds):
        box = Box(folder)
        box.write("/opt/lightkeeper/bin/lightkeeper", LAUNCHER)
        box.do("chmod", "-R", "a+rx", "/opt/lightkeeper")
        box.do("useradd", "--system", "lightkeeper")
        box.write("/etc/systemd/system/lightkeeper.service", UNIT.read_text())
        yield box


@pytest.fixture
def service(box: Box, tmp_path: Path) -> Iterator[Service]:
    """Started from nothing; `systemctl start` has returned, so it was ready."""
    with simulator(tmp_path) as lightsail:
        service = Service(box, lightsail)
        variables = "".join(f"Environment={k}={v}\n" for k, v in lightsail.environment.items())
        variables += "Environment=LIGHTKEEPER_LOG_LEVEL=debug\n"
        box.write(f"{DROP_INS}/simulator.conf", f"[Service]\n{variables}")
        box.do("install", "-d", "-o", "lightkeeper", FOLDER)
        service.configure(f"{FOLDER}/one.json")
        box.do("systemctl", "daemon-reload")
        box.do("systemctl", "start", "lightkeeper")
        try:
            yield service
        finally:
            box.do("systemctl", "stop", "lightkeeper")
            box.do("rm", "-rf", "/var/lib/lightkeeper", FOLDER, DROP_INS)


def test_systemd_has_nothing_to_say_against_the_unit(box: Box) -> None:
    """It ends with 0 for a misspelt key as well, so nothing may be said either."""
    box.write("/etc/systemd/system/shipped.service", UNIT.read_text())

    done = box.run("systemd-analyze", "verify", "/etc/systemd/system/shipped.service")

    assert (done.returncode, done.stderr) == (0, "")


def test_it_starts_as_its_own_user_and_delivers(service: Service) -> None:
    service.has_delivered(f"{FOLDER}/one.json")

    assert service.shows("ActiveState") == "active"
    assert service.shows("WatchdogUSec") == "1min"
    assert service.lightsail.accepts(service.auth(f"{FOLDER}/one.json"))
    stat = service.box.do("stat", "-c", "%U %a", f"{FOLDER}/one.json", "/var/lib/lightkeeper")
    assert stat.split() == ["lightkeeper", "600", "lightkeeper", "700"]


def test_it_says_in_one_line_how_it_is(service: Service) -> None:
    eventually("a line of status", lambda: service.shows("StatusText") == "1 login, all delivered")


def test_root_asks_it_over_its_socket(service: Service) -> None:
    service.has_delivered(f"{FOLDER}/one.json")

    told = json.loads(service.box.do("/opt/lightkeeper/bin/lightkeeper", "status", "--json"))

    assert [login["registry"] for login in told["logins"]] == [service.lightsail.registry]


def test_a_reload_takes_a_new_place_without_a_call(service: Service) -> None:
    service.has_delivered(f"{FOLDER}/one.json")
    service.configure(f"{FOLDER}/one.json", f"{FOLDER}/two.json")

    service.box.do("systemctl", "reload", "lightkeeper")
    service.has_delivered(f"{FOLDER}/two.json")

    assert service.shows("NRestarts") == "0"
    assert service.lightsail.calls() == 1


def test_a_restart_goes_on_with_what_was_held(service: Service) -> None:
    service.has_delivered(f"{FOLDER}/one.json")
    before = service.auth(f"{FOLDER}/one.json")
    service.box.do("rm", f"{FOLDER}/one.json")

    service.box.do("systemctl", "restart", "lightkeeper")
    service.has_delivered(f"{FOLDER}/one.json")

    assert service.auth(f"{FOLDER}/one.json") == before
    assert service.lightsail.calls() == 1


def test_one_that_hangs_is_started_again(service: Service) -> None:
    """Here after 20 s: watched more closely, one that is well would not have told of itself yet."""
    service.box.write(f"{DROP_INS}/pace.conf", "[Service]\nWatchdogSec=20\nRestartSec=100ms\n")
    service.box.do("systemctl", "daemon-reload")
    service.box.do("systemctl", "restart", "lightkeeper")
    first = service.shows("MainPID")

    service.box.do("kill", "-STOP", first)
    eventually("the watchdog has bitten", lambda: service.shows("NRestarts") == "1")
    eventually("it runs again", lambda: service.shows("ActiveState") == "active")

    assert service.shows("MainPID") not in (first, "0")


def test_it_ends_before_systemd_would_kill_it(service: Service) -> None:
    service.has_delivered(f"{FOLDER}/one.json")

    service.box.do("systemctl", "stop", "lightkeeper")

    assert service.shows("ActiveState") == "inactive"
    assert service.shows("Result") == "success"
    assert service.shows("ExecMainStatus") == "0"


def test_the_journal_holds_no_password(service: Service) -> None:
    service.has_delivered(f"{FOLDER}/one.json")
    auth = service.auth(f"{FOLDER}/one.json")
    password = base64.b64decode(auth).decode().partition(":")[2]

    service.box.do("systemctl", "reload", "lightkeeper")
    service.box.do("systemctl", "stop", "lightkeeper")
    # Whole fields, of everything that was logged: the journal cuts and escapes other forms.
    journal = service.box.do("journalctl", "--no-pager", "--all", "-o", "json")

    assert "credential_delivered" in journal
    assert auth not in journal
    assert password not in journal
    assert password[:40] not in journal
