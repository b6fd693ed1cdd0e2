"""What people read is true: links lead somewhere, commands exist, tables are what the code says."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec
import pytest
import yaml
from msgspec import Meta

from lightkeeper.cli.main import (
    COMMANDS,
    DONE,
    FAILED,
    INTERRUPTED,
    MISUSED,
    TERMINATED,
    UNREAD,
    main,
    parser_of,
)
from lightkeeper.config import model
from lightkeeper.config.flags import SETTINGS
from lightkeeper.config.schema import json_schema
from lightkeeper.config.values import Duration
from lightkeeper.core.notices import NOTICES
from tests.config.loading import loaded
from tools.completions import options_of

ROOT: Final = Path(__file__).parent.parent
REFERENCE: Final = ROOT / "docs" / "reference"
RULES: Final = ROOT / "deploy" / "prometheus"

PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES: Final = [str(page.relative_to(ROOT)) for page in PAGES]
CODE: Final = re.compile(r"^ *```.*?^ *```|`[^`]*`", re.MULTILINE | re.DOTALL)
USE: Final = re.compile(
    r"(?:^ *(?:\$ |sudo )?|`|&& |\$\()lightkeeper (\w[^`|;&)#>\n]*)", re.MULTILINE
)
"""A call of our command: at the begin of a line or of a code span, or behind another command."""


def _read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a page."""
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def dead_links(text: str, page: Path) -> list[str]:
    """Relative links that lead to no file, or to no heading of it."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", text)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name
        told = text if not name else _read(target) if target.is_file() and anchor else ""
        is_there = target.exists() and (not anchor or anchor in _anchors(told))
        found += [] if is_there else [link]
    return found


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert dead_links(_read(page), page) == []


def test_a_dead_link_is_found() -> None:
    text = (
        "# Here\n[a](README.md) [b](nowhere.md) [c](#here) [d](#there) [e](README.md#push) `[f](x)`"
    )

    assert dead_links(text, ROOT / "page.md") == ["nowhere.md", "#there"]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_file_of_this_repository_that_is_named_is_there(page: Path) -> None:
    named = re.findall(r"`((?:tests|tools|deploy|systemd|docs)/[\w./-]+)`", _read(page))

    assert [name for name in named if not (ROOT / name).exists()] == []


def wrong_commands(text: str) -> list[str]:
    """Uses of `lightkeeper` with a command or a long option that it does not have."""
    options = {one.name: {option.flag for option in options_of(one.name)} for one in COMMANDS}
    options |= {"--help": set(), "--version": set(), "COMMAND": {"--help"}}
    found = []
    for code in CODE.findall(text) + re.findall(r"^ {4,}\S.*$", text, re.MULTILINE):
        for use in USE.findall(code.replace("\\\n", " ")):
            name, *rest = use.split()
            given = {word.partition("=")[0] for word in rest if word.startswith("--")}
            if name not in options or given - options[name]:
                found.append(use.strip())
    return found


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_and_option_that_is_named_exists(page: Path) -> None:
    assert wrong_commands(_read(page)) == []


def test_a_wrong_command_is_found() -> None:
    text = "`lightkeeper runn`\n    lightkeeper run --regoin x\n`lightkeeper COMMAND --help`\n"

    assert sorted(wrong_commands(text)) == ["run --regoin x", "runn"]


def _tables(page: Path) -> dict[str, list[str]]:
    """The rows of each table of a page, by the heading above it."""
    found: dict[str, list[str]] = {}
    head = ""
    for line in _read(page).splitlines():
        if line.startswith("#"):
            head = line.lstrip("# ").strip("`")
        elif line.startswith("| ") and not line.startswith("| ---"):
            found.setdefault(head, []).append(line)
    return {head: rows[1:] for head, rows in found.items()}


def _form(annotation: object) -> str:
    """How a value is written, as the loader says it to people; nothing for a mapping."""
    if get_origin(annotation) is Mapping:
        return ""
    for part in get_args(annotation):
        if isinstance(part, Meta) and part.description:
            return part.description
        if found := _form(part):
            return found
    return ""


def _configuration(name: str) -> Iterator[str]:
    """The rows of one struct of the model."""
    kind = getattr(model, name)
    hints = get_type_hints(kind, include_extras=True)
    for key, schema in json_schema()["$defs"][name]["properties"].items():
        if key == "type":
            continue
        words = {"boolean": "true, false", "array": "a list"}
        written = _form(hints[key]) or ", ".join(schema.get("enum", ()))
        if schema.get("type") == "array" and written:
            written = f"a list, each {written}"
        written = written or words.get(schema.get("type", ""), "a mapping")
        yield f"| `{key}` | {written} | {schema['description']} |"


def test_the_configuration_page_is_what_the_model_says() -> None:
    tables = _tables(REFERENCE / "configuration.md")

    expected = {
        "The file": "Config",
        "logins": "Login",
        "outputs": "DockerConfig",
        "kubernetes_secret": "KubernetesSecret",
        "cluster": "WhichCluster",
        "state": "State",
        "leader_election": "LeaderElection",
        "renewal": "Renewal",
        "web": "Web",
        "log": "Log",
    }
    for head, name in expected.items():
        assert tables[head] == list(_configuration(name)), head


def test_every_type_of_output_has_a_row_and_files_have_the_same_keys() -> None:
    kinds = get_args(model.Output)
    rows = _tables(REFERENCE / "configuration.md")["Types of outputs"]

    assert rows == [
        f"| `{kind.__struct_config__.tag}` | {_file_name(kind)} | {kind.__doc__} |"
        for kind in kinds
    ]
    files = [kind for kind in kinds if issubclass(kind, model.FileOutput)]
    first, *others = (list(_configuration(kind.__name__)) for kind in files)
    assert all(other == first for other in others)


def _file_name(kind: type[model.Output]) -> str:
    return f"`{kind.file_name}`" if issubclass(kind, model.FileOutput) else "-"


def test_the_configuration_page_has_every_flag_and_variable() -> None:
    assert _tables(REFERENCE / "configuration.md")["Flags and variables"] == [
        f"| `{one.flag} {one.metavar}` | `{one.variable}` | {one.help} |" for one in SETTINGS
    ]


STRUCTS_WITH_DEFAULTS: Final = (
    *("Renewal", "Web", "Log", "DockerConfig", "KubernetesSecret", "LeaderElection", "Login"),
)


def test_each_default_of_the_model_is_the_one_that_is_told() -> None:
    """The sentence under a field is text: hold the figures in it against the field."""
    for name in STRUCTS_WITH_DEFAULTS:
        for field in msgspec.structs.fields(getattr(model, name)):
            said = json_schema()["$defs"][name]["properties"][field.name]["description"]
            default = field.default
            if field.default_factory is not msgspec.NODEFAULT:
                default = field.default_factory()
            if isinstance(default, bool):
                default = str(default).lower()
            figures = isinstance(default, float | int | Duration)
            if figures or default in ("true", "false", "auto", "replace", "report"):
                assert f"{default}" in said.replace("`", "").partition("Default")[2], field.name


def _commands() -> dict[str, list[str]]:
    settings = {setting.flag for setting in SETTINGS}
    tables = {}
    for command in COMMANDS:
        options = [one for one in options_of(command.name) if one.flag != "--help"]
        # A command that takes the settings does not list them again.
        takes_them = settings <= {one.flag for one in options}
        own = [one for one in options if not (takes_them and one.flag in settings)]
        if own:
            rows = [f"| `{one.flag}` | {one.help.replace('|', '/')} |" for one in own]
            tables[f"lightkeeper {command.name}"] = rows
    return tables


def test_the_commands_page_has_every_option() -> None:
    tables = _tables(REFERENCE / "commands.md")

    for head, rows in _commands().items():
        assert tables[head] == rows, head
    assert tables["Commands"] == [
        f"| [`{one.name}`](#lightkeeper-{one.name}) | {one.help} |" for one in COMMANDS
    ]


def test_the_commands_page_has_a_part_for_each_command() -> None:
    heads = re.findall(r"^## `lightkeeper (\w+)`$", _read(REFERENCE / "commands.md"), re.MULTILINE)

    assert heads == [command.name for command in COMMANDS]
    assert all(parser_of(name).description for name in heads)


def test_the_commands_page_has_every_exit_status() -> None:
    rows = _tables(REFERENCE / "commands.md")["Exit status"]

    assert [row.split("|")[1].strip() for row in rows] == [
        str(one) for one in (DONE, FAILED, MISUSED, INTERRUPTED, UNREAD, TERMINATED)
    ]


def test_the_notices_page_is_the_table_in_code() -> None:
    tables = _tables(REFERENCE / "notices.md")

    for head, lasts in (("Of what a place is like", True), ("Of what a delivery met", False)):
        assert tables[head] == [
            f"| `{notice}` | {noted.level} | {noted.advice} |"
            for notice, noted in NOTICES.items()
            if noted.lasts is lasts
        ], head


def test_the_example_configuration_loads(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--example"]) == DONE

    assert loaded(capsys.readouterr().out).config.logins[0].name == "prod"


def _examples() -> list[tuple[str, str]]:
    """Every configuration that a page shows whole."""
    found = []
    for name, page in zip(NAMES, PAGES, strict=True):
        blocks = re.findall(r"^ *```yaml\n(.*?)^ *```", _read(page), re.MULTILINE | re.DOTALL)
        found += [
            (name, dedent(block))
            for block in blocks
            if re.search(r"^ *logins:", block, re.MULTILINE)
        ]
    return found


@pytest.mark.parametrize(("page", "example"), _examples(), ids=[name for name, _ in _examples()])
def test_every_configuration_that_is_shown_loads(page: str, example: str) -> None:
    assert loaded(example).config.logins


needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing; apt-get install prometheus"
)


@needs_promtool
@pytest.mark.parametrize(
    "arguments", [("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")]
)
def test_prometheus_takes_the_rules_and_they_fire(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=RULES, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def _rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(_read(RULES / "rules.yml"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_every_alert_says_what_to_do_and_stands_in_the_how_to() -> None:
    page = _read(ROOT / "docs" / "how-to" / "metrics-and-alerts.md")

    for rule in _rules():
        assert set(rule["annotations"]) == {"summary", "runbook"}, rule["alert"]
    named = re.findall(r"^\| `(Lightkeeper\w+)`", page, re.MULTILINE)
    assert named == [rule["alert"] for rule in _rules()]


def test_every_metric_of_a_rule_is_served() -> None:
    served = set(
        re.findall(r"^\| `(lightkeeper_\w+)`", _read(REFERENCE / "metrics.md"), re.MULTILINE)
    )
    used = {name for rule in _rules() for name in re.findall(r"lightkeeper_\w+", rule["expr"])}

    assert used
    assert used <= served


def _layers() -> list[str]:
    """The import contract from the top, a line for each layer."""
    document = tomllib.loads(_read(ROOT / "pyproject.toml"))
    contracts = document["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["name"] == "Imports go one way")
    return [re.sub(r"[()]", "", layer) for layer in layers]


def test_the_architecture_has_the_layers_in_their_order() -> None:
    text = _read(ROOT / "docs" / "architecture.md")
    picture = text.partition("    __main__\n")[1:]
    lines = "".join(picture).splitlines()

    drawn = [re.split(r"  +", line.strip())[0] for line in lines[: len(_layers())]]

    assert drawn == _layers()


def test_the_architecture_has_a_row_for_each_module() -> None:
    house = ROOT / "daemon" / "lightkeeper"
    modules = {one.stem for one in house.glob("*.py")} - {"__init__"}
    modules |= {one.parent.name for one in house.glob("*/__init__.py")}

    rows = _tables(ROOT / "docs" / "architecture.md")["The house"]

    assert {row.split("`")[1] for row in rows} == modules
