"""The reference of the command line, read from the commands themselves."""

from __future__ import annotations

import inspect
import re
from inspect import cleandoc
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from typer import Context
from typer.models import OptionInfo

from erasurehead.experiments.commands.table import app
from website.markdown import code, plain, table

HEAD = """# Commands

`erasurehead --help` and `erasurehead COMMAND --help` say the same in a terminal. Exit codes: 0,
all went well; 1, there is a result and something in it failed (a cell of a sweep, a check of
`verify`); 2, what was asked for cannot be done, one line says why, and nothing was written; 70, a
fault of the program.
"""


def page() -> str:
    """The page, as Markdown."""
    commands = {
        each.name or each.callback.__name__: each
        for each in app.registered_commands
        if each.callback is not None
    }
    sections = [_section(name, command) for name, command in commands.items()]
    rows = [
        (f"[`{name}`](#{name})", _prose(each.callback.__doc__).partition("\n\n")[0])
        for name, each in commands.items()
    ]
    return "\n".join([HEAD, table(["command", "what it does"], rows), *sections])


def _section(name: str, command: Any) -> str:
    parameters = _parameters(command.callback)
    arguments = [shown for option, shown, _, _ in parameters if not option]
    parts = [
        f"## {name}",
        _prose(command.callback.__doc__),
        f"```text\n{' '.join(['erasurehead', name, *arguments, '[OPTIONS]'])}\n```",
    ]
    if example := re.search(r"Example: \[bold\](.*?)\[/bold\]", command.epilog or ""):
        parts.append(f"For example: `{example[1]}`")
    rows = [(code(shown), plain(text), code(default)) for _, shown, text, default in parameters]
    if rows:
        parts.append(table(["argument or option", "meaning", "default"], rows))
    return "\n\n".join(parts) + "\n"


def _parameters(callback: Any) -> list[tuple[bool, str, str, str]]:
    """Whether each is an option, how it is written on a command line, what it means, and its
    default, empty where it has none. Arguments first, as a command line has them."""
    hints = get_type_hints(callback, include_extras=True)
    found = []
    for name, parameter in inspect.signature(callback).parameters.items():
        if hints[name] is Context:
            continue
        kind, info = get_args(hints[name])[:2]
        if info.hidden:
            continue
        option = isinstance(info, OptionInfo)
        required = parameter.default is inspect.Parameter.empty
        default = "" if required or parameter.default in (None, False) else str(parameter.default)
        shown = _option(name, kind, info) if option else _argument(name, info, required)
        found.append((option, shown, info.help or "", default))
    return sorted(found, key=lambda parameter: parameter[0])


def _argument(name: str, info: Any, required: bool) -> str:
    shown = str(info.metavar or name.upper())
    return shown if required else f"[{shown}]"


def _option(name: str, kind: Any, info: Any) -> str:
    names = ", ".join(info.param_decls or [f"--{name.strip('_').replace('_', '-')}"])
    if kind is bool:
        return names
    literals = [part for part in (kind, *get_args(kind)) if get_origin(part) is Literal]
    choices = [str(each) for part in literals for each in get_args(part)]
    return f"{names} {'|'.join(choices) or info.metavar or _word(kind)}"


def _word(kind: Any) -> str:
    """What stands for a value that has no name."""
    words = {int: "NUMBER", float: "NUMBER", Path: "PATH"}
    return next((words[each] for each in (kind, *get_args(kind)) if each in words), "TEXT")


def _prose(text: str | None) -> str:
    return "\n\n".join(plain(_words(part)) for part in cleandoc(text or "").split("\n\n"))


def _words(text: str) -> str:
    """One line, without the marks of rich."""
    return re.sub(r"\s+", " ", re.sub(r"\[/?(?:bold|italic|dim)\]", "", text)).strip()
