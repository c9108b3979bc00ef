"""What the sections of a config can name: the registries, and what plugins add to them."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import inspect
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property, lru_cache
from multiprocessing import parent_process
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, TextIO

import numpy as np

from ...delay_models import MODELS, DelayModel
from ...sim.base.errors import ConfigError
from ...sim.base.fields import Configurable
from ...sim.base.files import UnusableFile, require_regular
from ...sim.base.looking import is_looking, looking
from ...sim.load_laws import LOAD_LAWS, LoadLaw
from ...sim.schemes import SCHEMES, SchemeFamily
from ...sim.schemes.parts.stop import NamedRule
from ...sim.training.optimizers import OPTIMIZERS, Optimizer
from ...sim.training.problems import DATASETS, LOSSES, DatasetFamily, Objective
from .document import is_file
from .moved_modules import MOVED_MODULES


@dataclass(frozen=True)
class Kind:
    """What a section can be."""

    tag: str  # the section's key that holds the name
    family: type[Any]  # what all classes derive from
    classes: Mapping[str, type[Any]]  # by name; their fields are the section's other keys
    attribute: str = "name"  # the class variable in which a plugin's class says its name


@dataclass(frozen=True)
class Plugin:
    """Code from elsewhere whose classes a document can name."""

    name: str  # how the config or the distribution calls it
    digest: str  # hash of its code
    classes: tuple[type[Any], ...]  # the classes that it defines
    files: tuple[Path, ...]  # where the code lies


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Everything that a document can name; each document has its own."""

    # ``delays``, ``load_laws``, ``schemes``, ``stopping_rules``, ``data``, ``losses`` and
    # ``optimizers``
    kinds: Mapping[str, Kind]
    plugins: tuple[Plugin, ...] = ()  # where the classes come from that are not built in
    unread: tuple[str, ...] = ()  # plugins that are listed, and not run to look at a result

    def __getitem__(self, kind: str) -> Kind:
        return self.kinds[kind]

    @cached_property
    def names(self) -> Mapping[type, tuple[str, str]]:
        """Of each class the key and the name that a section gives it."""
        kinds = self.kinds.values()
        return {family: (kind.tag, name) for kind in kinds for name, family in kind.classes.items()}

    def name_of(self, family: type[Any]) -> tuple[str | None, str | None]:
        """The same of any class, in the catalogue or not; no key for what is no section by name."""
        if (known := self.names.get(family)) is not None:
            return known
        for kind in self.kinds.values():
            if issubclass(family, kind.family):
                return kind.tag, getattr(family, kind.attribute, family.__name__)
        return None, None


# what comes with the simulator
BUILT_IN = Catalogue(
    {
        "delays": Kind("model", DelayModel, MODELS),
        "load_laws": Kind("kind", LoadLaw, LOAD_LAWS, attribute="kind"),
        "schemes": Kind("name", SchemeFamily, SCHEMES),
        "stopping_rules": Kind("rule", NamedRule, {}, attribute="rule"),  # beside those of ``stop``
        "data": Kind("dataset", DatasetFamily, DATASETS),
        "losses": Kind("loss", Objective, LOSSES),
        "optimizers": Kind("rule", Optimizer, OPTIMIZERS, attribute="rule"),
    }
)


# A plugin is a Python file (``plugins: [my_code.py]``), an installed module (``plugins:
# [my_code]``), or an entry point of the group ``erasurehead.plugins``, which needs no mention in
# the config. A config can name every class in it that derives from a family of ``BUILT_IN``, is not
# abstract and has no leading underscore. A file is run once for each content that it has had, under
# a module name made from path and content, so that two versions of it can stand in one process.
# Whoever looks at a result runs no plugin that it lists: somebody else may have written it. What
# this process has run before counts.


def with_plugins(listed: Sequence[str] = ()) -> Catalogue:
    """What a document can name: what is built in, what is installed, and what it lists. Raises
    ConfigError: a plugin is not there, cannot be run, defines nothing, or its name is taken."""
    names = [*dict.fromkeys(listed)]
    unread = [name for name in names if is_looking() and not _was_run(name)]
    own = [load_plugin(name) for name in names if name not in unread]
    plugins = [*_installed(tuple(sys.path)), *own]
    if not (plugins or unread):
        return BUILT_IN
    kinds = {key: dict(kind.classes) for key, kind in BUILT_IN.kinds.items()}
    for plugin in plugins:
        for family in plugin.classes:
            known = BUILT_IN.kinds.items()
            key, kind = next(pair for pair in known if issubclass(family, pair[1].family))
            name = getattr(family, kind.attribute, None)
            if not is_dataclass(family):
                text = f"{family.__name__} must be a dataclass with config=STRICT"
                raise _wrong(plugin.name, text)
            if not isinstance(name, str):
                line = f'{kind.attribute}: ClassVar[str] = "..."'
                raise _wrong(plugin.name, f"{family.__name__} has no name; write {line}")
            if kinds[key].setdefault(name, family) is not family:
                raise _wrong(plugin.name, f"{key}: the name {name} is taken; choose another")
    full = {key: replace(BUILT_IN[key], classes=classes) for key, classes in kinds.items()}
    return Catalogue(full, tuple(plugins), tuple(unread))


def plugins_of_objects(value: Any) -> list[str]:
    """The files or modules in which the classes of objects are defined that are not built in, as a
    config lists them."""
    if isinstance(value, Mapping):
        value = list(value.values())
    own = type(value)
    if not isinstance(own, Configurable):
        entries = value if isinstance(value, list | tuple) else ()
        return [name for entry in entries for name in plugins_of_objects(entry)]
    plugins = plugins_of_objects([getattr(value, field.name) for field in fields(value)])
    if BUILT_IN.name_of(own)[0] is None or own in BUILT_IN.names:
        return plugins
    return [*plugins, plugin_of(own)]


RUNNING = "__main__:"  # the prefix of a plugin that is a class of the running script or notebook


def plugin_of(own: type[Any]) -> str:
    """What a config calls the plugin that has a class: a module, a file, or the class itself where
    it is of the running script or notebook, which no other process has."""
    module = sys.modules[own.__module__]
    file = getattr(module, "__file__", None)
    if module.__name__ == "__main__" or file is None:
        return f"{RUNNING}{own.__name__}"
    return module.__name__ if module.__package__ else str(Path(file).resolve())


def load_plugin(name: str) -> Plugin:
    """A plugin by path or module name. Raises ConfigError: it is not there, or of no use."""
    if name.startswith(RUNNING):
        own, files, digest = _of_running(name)
    else:
        module, files, digest = _file(Path(name)) if is_file(name) else _module(name)
        own = tuple(_defined(module))
    classes = tuple(family for family in own if not inspect.isabstract(family))
    bases = {base for family in own for base in family.__mro__[1:]}
    lacking = [
        f"{family.__name__} lacks {', '.join(f'{method}()' for method in sorted(methods))}, which "
        "it must define"
        for family in own
        if (methods := family.__abstractmethods__) and family not in bases
    ]
    if not classes:
        families = ", ".join(kind.family.__name__ for kind in BUILT_IN.kinds.values())
        none = f"defines no class that derives from one of: {families}"
        raise _wrong(name, *lacking[:1] or [none])
    if is_file(name) and parent_process() is None:  # processes of a pool read the plugin again
        for text in lacking:
            warnings.warn(f"plugins: {name}: {text}, and is left out", stacklevel=1)
    return Plugin(name, digest, classes, files)


@lru_cache(maxsize=4)
def _installed(path: tuple[str, ...]) -> tuple[Plugin, ...]:
    """The plugins of installed packages; ``path``, which is ``sys.path``, is the cache's key."""
    entries = sorted(importlib.metadata.entry_points(group="erasurehead.plugins"), key=str)
    with looking(only=False):
        return tuple(load_plugin(entry.module) for entry in entries)


def _was_run(name: str) -> bool:
    """Whether this process has run the code of a plugin before, wherever a file of it lay."""
    if name.startswith(RUNNING):
        return name.removeprefix(RUNNING) in vars(sys.modules["__main__"])
    if not is_file(name):
        return sys.modules.get(name) is not None
    try:
        require_regular(Path(name))
        return _digest_of(Path(name).read_bytes()) in _MODULES
    except (UnusableFile, OSError):
        return False


# The modules of the files that were run, by the hash of their content: the first of each.
_MODULES: dict[str, ModuleType] = {}


def _digest_of(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


def _of_running(name: str) -> tuple[tuple[type[Any], ...], tuple[Path, ...], str]:
    """A class of the running script or notebook, and the hash of its source: that of its methods
    and properties, and its plain values, with those of its bases in the same script. Functions that
    they call are not included."""
    family = vars(sys.modules["__main__"]).get(name.removeprefix(RUNNING))
    if not (isinstance(family, type) and issubclass(family, _families())):
        raise _wrong(name, "is no scheme, law or other class of the running script or notebook")
    parts = list[str]()
    for own in (base for base in family.__mro__ if base.__module__ == "__main__"):
        parts.append(repr(sorted(vars(own).get("__annotations__", {}).items())))
        for key, value in [*vars(own).items()]:
            inner = (value, *(getattr(value, a, None) for a in ("__func__", "func", "fget")))
            parts += [_source(function) for function in filter(inspect.isfunction, inner)]
            if not key.startswith("__") and isinstance(value, PLAIN_VALUES):
                whole = value.tolist() if isinstance(value, np.ndarray) else value
                # a set's order is another one in each process
                ordered = sorted(map(repr, whole)) if isinstance(whole, set | frozenset) else whole
                parts.append(f"{key} = {ordered!r}")
    return (family,), (), hashlib.sha256("\n".join(parts).encode()).hexdigest()


# a class's values that are hashed with its source
PLAIN_VALUES = (str, int, float, tuple, list, dict, set, frozenset, np.ndarray, type(None))


def _source(function: FunctionType) -> str:
    """A function's source; where there is none, as of a script from stdin, what it is made to."""
    try:
        return inspect.getsource(function)
    except OSError:
        return _compiled(function.__code__)


def _compiled(code: CodeType) -> str:
    constants = (_compiled(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts)
    return "\n".join([code.co_code.hex(), *code.co_names, *constants])


def _families() -> tuple[type[Any], ...]:
    return tuple(kind.family for kind in BUILT_IN.kinds.values())


def _file(path: Path) -> tuple[ModuleType, tuple[Path, ...], str]:
    try:
        require_regular(path)  # a FIFO or a device never ends
        source = path.read_bytes()
    except UnusableFile as error:
        raise _wrong(str(path), str(error)) from None
    except OSError as error:
        raise _wrong(str(path), f"cannot be read: {error.strerror}") from None
    digest = _digest_of(source)
    if is_looking():
        return _MODULES[digest], (path,), digest
    location = hashlib.sha256(str(path).encode()).hexdigest()
    stem = re.sub(r"\W", "_", path.stem)
    name = f"erasurehead_plugin_{stem}_{location[:8]}_{digest[:16]}"
    if name not in sys.modules:
        module = ModuleType(name)
        module.__file__ = str(path)
        sys.modules[name] = module  # where dataclasses look up the names in their annotations
        try:
            with streams_kept():
                exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may exit, or raise what is no Exception
            sys.modules.pop(name, None)
            raise _wrong(str(path), _reason(error, (path,))) from None
        _MODULES.setdefault(digest, module)
    return sys.modules[name], (path,), digest


def _module(name: str) -> tuple[ModuleType, tuple[Path, ...], str]:
    """An installed module; its code is all of its package's, since it may import any of that."""
    try:
        with streams_kept():
            module = importlib.import_module(name)
        top = sys.modules[name.partition(".")[0]]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _wrong(name, _reason(error, ())) from None
    folders = [Path(folder) for folder in getattr(top, "__path__", ())]
    files = tuple(file for folder in folders for file in sorted(folder.rglob("*.py")))
    own = getattr(top, "__file__", None)  # what is built into Python has none
    files = files or ((Path(own),) if own else ())
    return module, files, _digest(files)


@lru_cache(maxsize=64)
def _digest(files: tuple[Path, ...]) -> str:
    """Taken once: what was imported stays what it was, whatever becomes of the files."""
    contents = (file.name.encode() + file.read_bytes() for file in files)
    return hashlib.sha256(b"".join(contents)).hexdigest()


@contextmanager
def streams_kept() -> Iterator[None]:
    """A plugin runs within. Raises OSError: it closed stdout or stderr, which are open again."""
    before = sys.stdout, sys.stderr
    spare: dict[int, int] = {}
    for number in (1, 2):
        with suppress(OSError):  # the program itself may have none
            spare[number] = os.dup(number)
    closed = [stream.closed for stream in before if stream is not None]
    try:
        yield
    finally:
        lost = [stream.closed for stream in before if stream is not None] != closed
        for number, copy in spare.items():
            with suppress(OSError):
                if os.path.samestat(os.fstat(number), os.fstat(copy)):
                    continue
            lost = True
            os.dup2(copy, number)
        for copy in spare.values():
            os.close(copy)
        sys.stdout, sys.stderr = map(_reopened, before, (1, 2))
        if lost:  # whatever that has led to
            raise OSError("it closes the standard output or error, which are the program's")


def _reopened(stream: TextIO, number: int) -> TextIO:
    if stream is None or not stream.closed:
        return stream
    return open(number, "w", encoding=stream.encoding, errors=stream.errors, closefd=False)


@contextmanager
def blamed(catalogue: Catalogue) -> Iterator[None]:
    """An error in a plugin's code as one line. Raises ConfigError: with plugin, line and error."""
    try:
        yield
    except (ConfigError, KeyboardInterrupt):
        raise
    except BaseException as error:
        for plugin in catalogue.plugins:
            if _line(error, plugin.files) is not None:
                raise _wrong(plugin.name, _reason(error, plugin.files)) from None
        raise


def _reason(error: BaseException, files: tuple[Path, ...]) -> str:
    """One line: what went wrong, and where in the plugin."""
    line = error.lineno if isinstance(error, SyntaxError) else _line(error, files)
    place = f"line {line}: " if line else ""
    if isinstance(error, ImportError) and error.name in MOVED_MODULES:
        new_home = MOVED_MODULES[error.name]
        return f"{place}{error.name} is gone: import what it had from {new_home}"
    text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    return f"{place}{type(error).__name__}: {text}"


def _line(error: BaseException, files: tuple[Path, ...]) -> int | None:
    """The last line of these files that the error came through."""
    names = set(map(str, files))
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename in names), None)


def _defined(module: ModuleType) -> Iterator[type[Any]]:
    families = _families()
    for name, value in vars(module).items():
        if not inspect.isclass(value) or name.startswith("_"):
            continue
        own = f"{value.__module__}.".startswith(f"{module.__name__}.")
        if own and issubclass(value, families):
            yield value


def _wrong(plugin: str, text: str) -> ConfigError:
    return ConfigError(f"plugins: {plugin}: {text}")
