"""The completions that are shipped, and what a shell makes of them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from lightkeeper.cli.main import COMMANDS
from tools.completions import FILES, FOLDER, Value, options_of


@pytest.mark.parametrize("name", FILES)
def test_the_shipped_file_is_what_the_parsers_say(name: str) -> None:
    """If this fails: `make completions`."""
    assert (FOLDER / name).read_text(encoding="utf-8") == FILES[name]()


def test_what_follows_an_option_is_told() -> None:
    values = {option.flag: option.value for option in options_of("status")}

    assert values["--json"] is Value.NOTHING
    assert values["--config"] is Value.FILE
    assert values["--state-dir"] is Value.FOLDER
    assert values["--region"] is Value.WORD


def _bash(words: str, *, folder: Path | None = None) -> list[str]:
    """What bash offers for the last of these words."""
    script = (
        f"source {FOLDER / 'lightkeeper.bash'}; COMP_WORDS=({words});"
        " COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); compopt() { :; };"
        ' _lightkeeper; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-euc", script],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
        cwd=folder,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_takes_it_for_lightkeeper() -> None:
    script = f"source {FOLDER / 'lightkeeper.bash'}; complete -p lightkeeper"

    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)

    assert done.stdout == "complete -F _lightkeeper lightkeeper\n"


def test_bash_offers_commands_first() -> None:
    names = [command.name for command in COMMANDS]

    assert _bash("lightkeeper ''") == [*names, "--help", "--version"]
    assert _bash("lightkeeper st") == ["status"]


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_bash_offers_the_options_of_the_command(command: str) -> None:
    assert _bash(f"lightkeeper {command} --") == [one.flag for one in options_of(command)]


def test_bash_offers_files_where_a_file_follows(tmp_path: Path) -> None:
    (tmp_path / "lightkeeper.yaml").touch()
    (tmp_path / "state").mkdir()

    assert _bash("lightkeeper run --config light", folder=tmp_path) == ["lightkeeper.yaml"]
    assert _bash("lightkeeper run --state-dir ''", folder=tmp_path) == ["state"]
    assert _bash("lightkeeper run --region ''", folder=tmp_path) == []


def test_bash_offers_what_an_option_may_be() -> None:
    assert _bash("lightkeeper run --log-level ''") == ["debug", "info", "warning", "error"]
    assert _bash("lightkeeper run --log-format js") == ["json"]


def test_bash_takes_the_sign_between_option_and_value_for_a_space(tmp_path: Path) -> None:
    """Which is a word to it."""
    (tmp_path / "lightkeeper.yaml").touch()

    assert _bash("lightkeeper run --config =", folder=tmp_path) == ["lightkeeper.yaml"]
    assert _bash("lightkeeper run --config = light", folder=tmp_path) == ["lightkeeper.yaml"]
    assert _bash("lightkeeper run --log-level = in") == ["info"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_a_command_and_what_an_option_may_be() -> None:
    assert _fish("lightkeeper sta") == ["status"]
    assert _fish("lightkeeper run --log-level w") == ["warning"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_a_command_and_what_an_option_may_be() -> None:
    assert "lightkeeper status" in _zsh("lightkeeper sta")
    assert "--log-level warning" in _zsh("lightkeeper run --log-level w")


def _fish(line: str) -> list[str]:
    script = f"source {FOLDER / 'lightkeeper.fish'}; complete -C {shlex.quote(line)}"
    done = subprocess.run(["fish", "-c", script], capture_output=True, text=True, check=True)
    return [offer.split("\t")[0] for offer in done.stdout.splitlines() if offer]


ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "fpath=($1 \$fpath); autoload -Uz compinit; compinit -D -u; PS1=rea''dy"
zpty -r -m shell seen '*ready*'
zpty -w -n shell "$2"$'\t'"# end"
zpty -r -m shell seen '*# end*'
print -r -- "$seen"
"""


def _zsh(line: str) -> str:
    """What stands on a real terminal of zsh's own after Tab."""
    command = ["zsh", "-f", "-c", ZSH, "zsh", str(FOLDER), line]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
