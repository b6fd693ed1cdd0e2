"""Shell completions, made from the commands' own parsers: `make completions`.

They are static, so that a shell need not start Python at each key; a test keeps the files in
deploy/completions current.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Final, NamedTuple, get_args, get_type_hints

from lightkeeper.cli.main import COMMANDS, parser_of
from lightkeeper.config.model import Log


class Value(Enum):
    """What follows an option."""

    NOTHING = auto()
    FILE = auto()
    FOLDER = auto()
    WORD = auto()
    """One of a few, or something that no shell can guess."""


class Option(NamedTuple):
    """One option of a command."""

    flag: str
    help: str
    value: Value
    choices: tuple[str, ...] = ()
    """All that a word may be; none where that is open."""


_VALUES: Final = {"FILE": Value.FILE, "PATH": Value.FILE, "DIR": Value.FOLDER}
"""By the name that the help has for the value."""
_CHOICES: Final = {
    "LEVEL": get_args(get_type_hints(Log)["level"]),
    "FORMAT": get_args(get_type_hints(Log)["format"]),
}
"""By that name too; the configuration itself says what is wrong with another word."""
_MADE: Final = "# Made by `make completions` from the commands' own parsers.\n"


def options_of(command: str) -> Iterator[Option]:
    """The long options of a command, in the order of its help."""
    for action in parser_of(command)._actions:  # noqa: SLF001 - argparse tells it in no other way
        for flag in action.option_strings:
            if flag.startswith("--"):
                named = str(action.metavar or action.dest.upper())
                takes = action.nargs != 0
                value = _VALUES.get(named, Value.WORD) if takes else Value.NOTHING
                said = (action.help or "").replace("%%", "%")
                yield Option(flag, said, value, _CHOICES.get(named, ()))


def bash() -> str:
    """For bash; needs nothing of the bash-completion package."""
    options = {command.name: list(options_of(command.name)) for command in COMMANDS}
    names = " ".join(options)
    every = {option.flag: option for known in options.values() for option in known}
    chosen = "\n".join(
        f"        {option.flag})\n            mapfile -t COMPREPLY < <(compgen -W"
        f' "{" ".join(option.choices)}" -- "$current")\n            return ;;'
        for option in every.values()
        if option.choices
    )
    cases = "\n".join(
        f'        {name}) words="{" ".join(option.flag for option in known)}" ;;'
        for name, known in options.items()
    )
    return f"""{_MADE}
_lightkeeper() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
    local word command='' words
    COMPREPLY=()
    # In --config=FILE the sign is a word of its own.
    [[ $current == = ]] && current=''
    [[ $previous == = ]] && previous=${{COMP_WORDS[COMP_CWORD - 2]}}
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $word in {names.replace(" ", "|")}) command=$word && break ;; esac
    done
    case $previous in
        {_flags(every, Value.FILE)})
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        {_flags(every, Value.FOLDER)})
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return ;;
{chosen}
        {_flags(every, Value.WORD)}) return ;;
    esac
    case $command in
{cases}
        *) words="{names} --help --version" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -F _lightkeeper lightkeeper
"""


def _flags(every: Mapping[str, Option], value: Value) -> str:
    return "|".join(
        sorted(one.flag for one in every.values() if one.value is value and not one.choices)
    )


_ZSH: Final = {
    Value.NOTHING: "",
    Value.FILE: ":file:_files",
    Value.FOLDER: ":folder:_files -/",
    Value.WORD: ":value: ",
}


def zsh() -> str:
    """For zsh: a file called _lightkeeper in a directory of $fpath."""
    names = "\n".join(f"    {_quoted(f'{command.name}:{command.help}')}" for command in COMMANDS)
    cases = "\n".join(_zsh_case(command.name) for command in COMMANDS)
    return f"""#compdef lightkeeper
{_MADE}
local -a commands
commands=(
{names}
)
local state line
typeset -A opt_args
_arguments -C '--help[show the help]' '--version[print the version]' '1: :->command' '*:: :->rest'
case $state in
    command) _describe command commands ;;
    rest) case $words[1] in
{cases}
    esac ;;
esac
"""


def _zsh_case(command: str) -> str:
    told = []
    for flag, said, value, choices in options_of(command):
        follows = f":value:({' '.join(choices)})" if choices else _ZSH[value]
        plain = said.replace("[", "(").replace("]", ")").replace(":", "\\:")
        told.append(_quoted(f"*{flag}[{plain}]{follows}"))
    lines = " \\\n            ".join(told)
    return f"        {command}) _arguments \\\n            {lines} ;;"


_FISH: Final = {
    Value.NOTHING: "",
    Value.FILE: " -r -F",
    Value.FOLDER: " -x -a '(__fish_complete_directories)'",
    Value.WORD: " -x",
}


def fish() -> str:
    """For fish."""
    lines = [f"{_MADE}", "complete -c lightkeeper -f"]
    for name, said in COMMANDS:
        lines.append(
            f"complete -c lightkeeper -n __fish_use_subcommand -a {name} -d {_quoted(said)}"
        )
    for command in COMMANDS:
        seen = _quoted(f"__fish_seen_subcommand_from {command.name}")
        for flag, said, value, choices in options_of(command.name):
            named = flag.removeprefix("--")
            follows = f" -x -a {_quoted(' '.join(choices))}" if choices else _FISH[value]
            lines.append(
                f"complete -c lightkeeper -n {seen} -l {named}{follows} -d {_quoted(said)}"
            )
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """For zsh; and for fish, which takes this form as well."""
    return "'" + text.replace("'", "'\\''") + "'"


FILES: Final[Mapping[str, Callable[[], str]]] = {
    "lightkeeper.bash": bash,
    "_lightkeeper": zsh,
    "lightkeeper.fish": fish,
}
"""By the name that the shell wants."""

FOLDER: Final = Path(__file__).parents[1] / "deploy" / "completions"


def main() -> None:
    """Write them into deploy/completions."""
    for name, made in FILES.items():
        (FOLDER / name).write_text(made(), encoding="utf-8")


if __name__ == "__main__":
    main()
