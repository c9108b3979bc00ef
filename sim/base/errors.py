"""The errors that the simulator raises on purpose, each with everything a reader needs.

A message is made of texts and of options with their values. How an option is written depends on who
reads it: ``--unit ms`` in a shell, ``unit: ms`` in a config, ``unit="ms"`` in Python. So parts are
kept, and the message is spelled once, for its reader.

Labels, names, paths and libraries' words are data. Control characters, half characters and marks of
direction in them are written as in a Python string: ``\\x1b``, ``\\u202e``.

Nothing here imports a large library, so that errors can be told while nothing else works."""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

from typing_extensions import override

# what papers and other programs call a key, where no letters are alike
MEANT = {
    "n": "workers", "N": "workers", "d": "load", "r": "wait_for", "T": "iterations",
    "R": "replications", "rounds": "iterations", "steps": "iterations", "runs": "replications",
    "repetitions": "replications", "scheme": "schemes", "delays": "delay", "law": "load_law",
    "lr": "learning_rate", "nodes": "workers",
}  # fmt: skip
# marks without a shape of their own, which several scripts and many emoji need
JOINERS = "\u200c\u200d"
_PLAIN = re.compile(r"[ -~]*")


def is_plain(text: str) -> bool:
    """Whether a text is made of visible characters and spaces alone."""
    return bool(_PLAIN.fullmatch(text)) or not any(map(_acts, text))


def escaped(text: str) -> str:
    """The text with everything else than visible characters and spaces written in ASCII."""
    if is_plain(text):
        return text
    return "".join(in_ascii(character) if _acts(character) else character for character in text)


def in_ascii(character: str) -> str:
    """A character as it can be written in a Python string."""
    return character.encode("unicode_escape").decode("ascii")


def shell_word(text: str) -> str:
    """A text as one word of a command line. What acts on a terminal, and bytes that are no text,
    are written as ``$'\\xe9'``, which bash, zsh and ksh read."""
    if is_plain(text):
        return shlex.quote(text)
    data = os.fsencode(text)
    safe = (chr(b) if 32 <= b < 127 and b not in b"'\\" else f"\\x{b:02x}" for b in data)
    return f"$'{''.join(safe)}'"


def _acts(character: str) -> bool:
    """Control characters, marks, halves, private and unassigned characters, ends of lines."""
    kind = unicodedata.category(character)
    return (kind[0] == "C" and character not in JOINERS) or kind in ("Zl", "Zp")


class Dialect(Enum):
    """Who reads a message, by how an option with its value is typed there."""

    SHELL = "--unit ms"
    CONFIG = "unit: ms"
    PYTHON = 'unit="ms"'


@dataclass(frozen=True)
class Option:
    """An option that a message names, perhaps with a value for it.

    Args:
        name: the option's name in Python, such as ``k_range``.
        value: ``None``: the option alone; ``True``, of a flag; several names; or a mapping, as
            ``columns`` takes.
    """

    name: str
    value: str | float | Sequence[str] | Mapping[str, str] | None = field(
        default=None,
        hash=False,  # a mapping has none
    )

    def spelled(self, dialect: Dialect) -> str:
        """As the reader types it."""
        if dialect is Dialect.SHELL:
            flag = f"--{self.name.replace('_', '-')}"
            if self.value is None or self.value is True:
                return flag
            return f"{flag} {shell_word(_in_shell(self.value))}"
        if self.value is None:
            return self.name
        value = json.dumps(self.value, ensure_ascii=False)
        if dialect is Dialect.PYTHON:
            return f"{self.name}={True if self.value is True else value}"
        is_word = isinstance(self.value, str) and re.fullmatch("[a-z-]+", self.value)
        return f"{self.name}: {self.value if is_word else value}"  # YAML 1.2 reads JSON


def _in_shell(value: str | float | Sequence[str] | Mapping[str, str]) -> str:
    """A value as one text; a comma parts names, so that one in a name becomes ``?``, which matches
    any character."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ",".join(f"{key}={name}" for key, name in value.items())
    if isinstance(value, Sequence):
        return ",".join(name.replace(",", "?") for name in value)
    return f"{value:.15g}"


Part: TypeAlias = "str | Option | Message"


@dataclass(frozen=True, init=False)
class Message:
    """A line of texts, options and other messages. An empty one says nothing, and is false."""

    parts: tuple[Part, ...]

    def __init__(self, *parts: Part) -> None:
        object.__setattr__(self, "parts", parts)

    def __bool__(self) -> bool:
        return any(self.parts)

    def spelled(self, dialect: Dialect) -> str:
        """The line for its reader."""
        return "".join(
            part if isinstance(part, str) else part.spelled(dialect) for part in self.parts
        )


EMPTY_MESSAGE = Message()


class Mistake(ValueError):
    """What the user can mend, in one line. What comes from outside, such as a key or a path, is
    escaped, so that it stays one line.

    Life cycle: raised with the parts of its line, from which it can be made again, as pickle does.
    Its text is for a shell, until it leaves a function of the package, which sets ``dialect``."""

    dialect = Dialect.SHELL

    def __init__(self, *parts: Part) -> None:
        super().__init__(*parts)
        self.message = Message(*parts)

    @override
    def __str__(self) -> str:
        return escaped(self.message.spelled(self.dialect))


class ConfigError(Mistake):
    """A config that cannot be run; one line that names field, value and what is valid."""


class Failed(RuntimeError):
    """A command that cannot go on, by no mistake of the user: one line, exit code 1."""


def message_of(error: BaseException) -> Message:
    """What an error says, with the options that it names."""
    return error.message if isinstance(error, Mistake | DataNotFound) else Message(str(error))


def at(path: str | Option, value: Any, *valid: Part) -> ConfigError:
    """Make the one line: ``delay.rate = -1: must be greater than 0``."""
    return ConfigError(path, f" = {quoted(value)}: ", *valid)


def one_of(valid: Iterable[str], given: Any, likely: Iterable[str] | None = None) -> str:
    """List the valid names, with the likely one last: ``must be one of: ... (did you mean ...?)``.
    Of a long list only those that look like the given one are shown. ``likely``: the names that
    letters may be meant for, default all; of others they must be very like one."""
    names, text = sorted(valid), str(given)
    close = difflib.get_close_matches(text, names if likely is None else sorted(likely), n=1)
    close = close or difflib.get_close_matches(text, names, n=1, cutoff=0.8)
    close = [meant] if (meant := MEANT.get(text)) in names else close
    hint = f" (did you mean {close[0]}?)" if close else ""
    if len(", ".join(names)) > 190:  # letters: more than fit in a line or two
        nearest = sorted(difflib.get_close_matches(text, names, n=6, cutoff=0.0))
        return f"must be one of {len(names)} names: {', '.join(nearest)}, ...{hint}"
    return f"must be one of: {', '.join(names)}{hint}"


def quoted(value: Any) -> str:
    """A value as an error shows it, in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class InvalidParameter(ConfigError):
    """A parameter that cannot work with the others.

    Life cycle: raised by a scheme, problem or optimizer; the command line puts the place in the
    config in front of ``field`` and exits with code 2. It can be made again from its ``args``.

    Args:
        field, value: the parameter's name in the config, and what was given.
        valid: what would be valid, as a clause ("must divide workers = 30: 1, 2, 3, ...").
        nearest: parameters, by name, that would not be refused in this way; ``valid`` names them. A
            number that is refused should have one. ``workers`` may be among them.
    """

    def __init__(
        self, field: str, value: Any, valid: str, nearest: Mapping[str, Any] | None = None
    ) -> None:
        ValueError.__init__(self, field, value, valid, nearest)
        self.message = Message(f"{field} = {quoted(value)}: {valid}")
        self.field, self.value, self.valid = field, value, valid
        self.nearest = dict(nearest or {})


class NeverEnough(RuntimeError):
    """The master waits for messages that can never arrive (dead workers, a deadlock).

    Life cycle: raised by an engine; it can be made again from its ``args``, as SimPy and pickle do.

    Args:
        iteration: the round that cannot end, counted from 1.
        missing: indices (from 0) of the workers that the master has not heard and never will.
        waited: seconds after which the master gave up, if it did.
        crashes, endless: how often one of them has crashed in this round, or a worker that finishes
            task after task in no time, if that is the reason.
        unmet: n and the stopping rule's name, if no worker is missing and the rule is the reason.
        cut: in words, where measured rounds that stopped listening are replayed, what is unknown.
    """

    def __init__(
        self,
        iteration: int,
        missing: list[int],
        waited: float | None = None,
        crashes: int | None = None,
        endless: int | None = None,
        unmet: tuple[int, str] | None = None,
        cut: str = "",
    ) -> None:
        super().__init__(iteration, missing, waited, crashes, endless, unmet, cut)
        self.iteration, self.missing, self.unmet = iteration, missing, unmet
        self.cut = cut
        self.waited, self.crashes, self.endless = waited, crashes, endless

    @override
    def __str__(self) -> str:
        if self.cut:
            return f"iteration {self.iteration} waits for workers that were not heard: {self.cut}"
        if self.waited is not None:
            reason = f"has not ended after max_wait = {self.waited:g} s: no message has come"
        elif self.crashes is not None:
            many = f"{self.crashes:,} crashes of one worker"
            short = "time_to_failure is too short for these delays"
            reason = f"makes no headway after {many} ({short}): no message has come"
        elif self.endless is not None:
            endless = f"worker {self.endless} finishes task after task in no time (give it delays"
            reason = f"makes no headway: {endless} above 0), and no message has come"
        else:
            reason = "can never end: the master needs more messages, but no message will ever come"
        if self.unmet is not None and not self.missing:
            began, (workers, rule) = reason.partition(":")[0], self.unmet
            all_in = f"all {workers} workers have arrived, and the stopping rule {rule}"
            return f"iteration {self.iteration} {began}: {all_in} still says not enough"
        count, first = len(self.missing), ", ".join(map(str, self.missing[:10]))
        unheard = f"{count} worker{'' if count == 1 else 's'}: {first}"
        more = ", ..." if count > 10 else ""
        return f"iteration {self.iteration} {reason} from {unheard}{more}"


class InvalidDelay(ValueError):
    """A tape, made by the ``source``, a delay model or other, gives what is no valid time: a
    negative number or NaN. Whose time it would be and its row of the tape (round, task or life)
    are counted from 0. Life cycle: as ``NeverEnough``."""

    def __init__(self, source: str, seconds: float, worker: int, row: int) -> None:
        super().__init__(source, seconds, worker, row)
        self.source, self.seconds, self.worker, self.row = source, seconds, worker, row

    @override
    def __str__(self) -> str:
        where = f"for worker {self.worker} in row {self.row} of its tape"
        valid = "seconds >= 0, or inf for what never happens"
        return f"{self.source} gives {self.seconds:g} s {where}; valid: {valid}"


class EngineRefused(ValueError):
    """The chosen engine cannot run this; the message is the reason."""


class DataNotFound(FileNotFoundError):
    """A data set that users bring themselves is not where the simulator looks: none of these names,
    or with ``.gz``, in the directories that it looked at, in order. ``origin``: where to get it."""

    def __init__(
        self, dataset: str, names: Sequence[str], looked: Sequence[Path], origin: str
    ) -> None:
        folders = ", ".join(map(str, looked)) or "nowhere: no data directory is known"
        self.message = Message(
            f"dataset {dataset} needs one of these files: {', '.join(names)} (or .gz); "
            f"looked in {folders}. Fetch it by: erasurehead data {dataset}, or get it from "
            f"{origin}, and name its directory in ",
            Option("data_dir"),
            " or the environment variable ERASUREHEAD_DATA",
        )
        super().__init__(self.message.spelled(Dialect.SHELL))
        self.dataset, self.origin = dataset, origin
        self.names, self.looked = list(names), list(looked)


# ``s3://bucket/x``, ``file:///x`` or ``host:/x``; a path has one slash left of several. A single
# letter is a drive of Windows.
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.@_-]+:/")


def address_defect(path: str | Path) -> str | None:
    """Why a path cannot be used that is an address of something elsewhere; ``None`` for a path of
    this machine. Files rest on locks and on renaming in one step, which stores of objects lack, and
    a folder of that name would come into being in silence."""
    if ADDRESS.match(str(path)) is None:
        return None
    return "is an address, and files are read and written on this machine alone: copy or mount it"
