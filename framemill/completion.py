"""Print what makes a shell complete commands, options and their values.

framemill completion --shell bash > ~/.local/share/bash-completion/completions/framemill
source <(framemill completion --shell zsh)        # in ~/.zshrc
framemill completion --shell fish > ~/.config/fish/completions/framemill.fish
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module

from cluster.runs.command_line import parse_or_exit
from cluster.runs.option import Option, option
from cluster.runs.options import Options, options_of
from framemill.commands import Command

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True)
class CompletionOptions(Options):
    """What to print."""

    shell: str = option(help="the shell", choices=SHELLS, common=True)


def main(commands: Mapping[str, Command]) -> int:
    """Print the script that completes `commands`."""
    given = sys.argv[1:]
    if given[:1] and given[0] in SHELLS:  # `framemill completion bash`, as many commands have it
        given.insert(0, "--shell")
    shell = parse_or_exit(CompletionOptions, __doc__ or "", given).shell
    print("\n".join(_fish(commands) if shell == "fish" else _bash(commands, is_zsh=shell == "zsh")))
    return 0


def options_by_command(commands: Mapping[str, Command]) -> dict[str, list[Option]]:
    """The options of each command."""
    return {name: list(options_of(_kind(command.module)).values()) for name, command in commands.items()}


def _kind(module: str) -> type[Options]:
    """The options that a job has: the one such class that its module names beside their base."""
    if module == __name__:
        return CompletionOptions
    found = [
        value
        for value in vars(import_module(module)).values()
        if isinstance(value, type) and issubclass(value, Options) and value is not Options
    ]
    assert len(found) == 1, f"{module} has {len(found)} classes of options"
    return found[0]


def _bash(commands: Mapping[str, Command], *, is_zsh: bool) -> Iterator[str]:
    if is_zsh:
        yield "autoload -Uz compinit bashcompinit && compinit && bashcompinit"
    yield "_framemill() {"
    yield '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" words=""'
    yield "  COMPREPLY=()"
    yield "  if ((COMP_CWORD == 1)); then"
    yield f'    words="{" ".join(commands)}"'
    yield "  else"
    yield '    case "${COMP_WORDS[1]} $before" in'
    for name, found in options_by_command(commands).items():
        for each in found:
            if each.rule.choices:
                yield f'      "{name} --{each.name}") words="{" ".join(map(str, each.rule.choices))}" ;;'
    yield "    esac"
    yield '    if [[ "$word" == -* ]]; then'
    yield '      case "${COMP_WORDS[1]}" in'
    for name, found in options_by_command(commands).items():
        yield f'        {name}) words="{" ".join(f"--{each.name}" for each in found)} --config --help" ;;'
    yield "      esac"
    yield "    fi"
    yield "  fi"
    yield '  [[ -n "$words" ]] && COMPREPLY=($(compgen -W "$words" -- "$word"))'
    yield "}"
    yield "complete -o default -F _framemill framemill"  # files and folders where no words fit


def _fish(commands: Mapping[str, Command]) -> Iterator[str]:
    for name, command in commands.items():
        yield f"complete -c framemill -n __fish_use_subcommand -f -a {name} -d {_quoted(command.summary)}"
    for name, found in options_by_command(commands).items():
        start = f"complete -c framemill -n '__fish_seen_subcommand_from {name}'"
        for each in found:
            choices = f" -x -a {_quoted(' '.join(map(str, each.rule.choices)))}" if each.rule.choices else ""
            takes = "" if each.kind is bool else " -r"
            yield f"{start} -l {each.name}{choices or takes} -d {_quoted(each.rule.help)}"
        yield f"{start} -l config -r -d 'read options from a file'"
        yield f"{start} -l help -d 'list all options'"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
