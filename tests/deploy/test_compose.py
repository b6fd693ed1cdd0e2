"""The compose file for a runner host: what the daemon is told, and what the runner finds."""

from __future__ import annotations

import re
from typing import Any

import yaml

from lightkeeper.cli.main import COMMANDS
from tests.config.loading import loaded
from tests.deploy.rendering import DEPLOY
from tools.completions import options_of

FILE = DEPLOY / "compose" / "compose.yaml"


def services() -> dict[str, dict[str, Any]]:
    """With the defaults of its variables."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", FILE.read_text())
    document = yaml.safe_load(text)
    assert document.keys() == {"services", "volumes"}
    found: dict[str, dict[str, Any]] = document["services"]
    mounted = {
        one.partition(":")[0] for service in found.values() for one in service.get("volumes", [])
    }
    assert mounted == document["volumes"].keys()
    return found


def test_the_daemon_delivers_where_the_runner_looks() -> None:
    found = services()
    daemon, runner = found["lightkeeper"], found["runner"]

    (login,) = loaded(environ=daemon["environment"]).config.logins
    (output,) = login.outputs
    folder = runner["environment"]["DOCKER_CONFIG"]
    assert str(getattr(output, "path", "")) == f"{folder}/config.json"
    assert f"docker:{folder}" in daemon["volumes"]
    assert f"docker:{folder}:ro" in runner["volumes"]


def test_the_runner_waits_for_the_first_login() -> None:
    found = services()

    assert found["runner"]["depends_on"] == {"lightkeeper": {"condition": "service_healthy"}}
    how, program, name, *options = found["lightkeeper"]["healthcheck"]["test"]
    assert (how, program) == ("CMD", "lightkeeper")
    assert name in {command.name for command in COMMANDS}
    assert set(options) <= {option.flag for option in options_of(name)}


def test_the_daemon_has_no_rights_and_a_read_only_root() -> None:
    daemon = services()["lightkeeper"]

    assert daemon["read_only"] is True
    assert daemon["cap_drop"] == ["ALL"]
    assert daemon["security_opt"] == ["no-new-privileges:true"]
    assert daemon["user"] == "10001:10001"


def test_the_group_of_the_file_is_the_runners() -> None:
    """The daemon makes the file with the group of the directory, and lets that one read."""
    found = services()
    code = found["room"]["entrypoint"][-1]

    assert found["runner"]["group_add"] == ["2000"]
    assert '("/docker", 2000, 0o2750)' in code
    assert found["lightkeeper"]["environment"]["LIGHTKEEPER_FILE_MODE"] == "0640"
    compile(code, "room", "exec")
