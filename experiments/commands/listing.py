"""``erasurehead list``, ``init`` and ``report --cite``: what configs can name, examples, what to
cite."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...sim.base.errors import ConfigError, at, one_of
from ...sim.base.looking import looking
from ...sim.training.problems import Objective
from ...sim.training.problems.losses import ProblemSettings
from ..config.catalogue import with_plugins
from ..config.cells import catalogue_of, plugins_of
from ..config.code import plugins_in
from ..config.codec import FOLLOWING
from ..config.document import load
from ..config.schema import FieldRow, field_rows, first_sentence, schema
from ..config.settings import FailureSettings, NetworkSettings
from ..page import terminal
from ..reproduce import FIGURES, figure_named, settable
from ..text import enumerated, line

EXAMPLES_FOLDER = resources.files("erasurehead.experiments") / "config" / "examples"
SUFFIX = ".yaml"


def example_names() -> list[str]:
    """The examples there are."""
    names = (file.name for file in EXAMPLES_FOLDER.iterdir())
    return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))


def write_example(name: str, folder: Path) -> Path:
    """Copy an example to ``folder``; returns where it is now. Raises ConfigError: there is no such
    example, a file of this name is there already, or it cannot be written."""
    name = name.removesuffix(SUFFIX)
    if name not in example_names():
        raise at("example", name, one_of(example_names(), name))
    path = folder / f"{name}{SUFFIX}"
    try:
        with path.open("xb") as file:
            file.write((EXAMPLES_FOLDER / path.name).read_bytes())
    except FileExistsError:
        raise ConfigError(f"{path}: exists already, and init overwrites nothing") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path


Entries = Mapping[str, type]
PLACES = {  # each list, and where in a config its entries stand
    "schemes": "an entry of schemes: {name: ..., fields}",
    "stopping_rules": "stop: {rule: ..., fields}, in an entry of schemes",
    "delays": "delay: {model: ..., fields}",
    "load_laws": "load_law: {kind: ..., fields}",
    "data": "problem: {dataset: ..., fields}",
    "losses": "problem: {loss: ...}",
    "optimizers": "optimizer: {rule: ..., fields}",
    "network": "network: {fields}",
    "failures": "failures: {fields}",
}

TOPICS = (*PLACES, "figures")


def sections(plugins: Sequence[str] = ()) -> dict[str, Entries]:
    """The entries of every list, those of installed plugins and of these included."""
    known = with_plugins(plugins).kinds.items()
    kinds: dict[str, Entries] = {name: dict(kind.classes) for name, kind in known}
    kinds["data"] = {"every data set": ProblemSettings, **kinds["data"]}
    kinds["network"] = {"network": NetworkSettings}
    kinds["failures"] = {"failures": FailureSettings}
    return {name: kinds[name] for name in PLACES}


def known_names(entries: Mapping[str, Entries]) -> set[str]:
    """What can be listed: topics, figures and all entries."""
    return {*TOPICS, *FIGURES, *(name for name in chain(*entries.values()) if " " not in name)}


def keys_of(config: Path | None) -> list[str]:
    """Keys that ``--set`` can change: those of every config, and the dotted ones in this one."""
    keys = dict.fromkeys(schema()["properties"])
    document: Mapping[str, Any] = {}
    with suppress(ConfigError):
        document = load(config) if config else {}
    for key, value in document.items():
        listed = value if key == "schemes" and isinstance(value, list) else [value]
        for section in (value_ for value_ in listed if isinstance(value_, Mapping)):
            prefix = f"{key}.{section.get('name')}" if key == "schemes" else key
            keys |= dict.fromkeys(f"{prefix}.{field}" for field in section if field != "name")
    return [*keys]


def schema_text(config: Path | None) -> str:
    """The JSON Schema of configs, with what this config's plugins add."""
    document, of_a_result = _listed(config)
    with looking(of_a_result):
        return json.dumps(schema(catalogue_of(document)), indent=1)


def _listed(config: Path | None) -> tuple[dict[str, Any], bool]:
    """A config whose plugins are listed, too, and whether these are of a result, so that they are
    not run: that is said on stderr. Raises ConfigError: it cannot be read."""
    document = {} if config is None else load(config)
    plugins = plugins_in(document)
    if config is not None and plugins:
        from ..run.outputs import sent_code  # imports pandas

        plugins = [name for name in plugins if name in sent_code(document, config)]
    if plugins:
        terminal.tell(
            f"note: {config} lies in a result, so its plugins are not run and not listed: "
            f"{enumerated(plugins, 3)}"
        )
    return document, bool(plugins)


def show_list(what: str | None, config: Path | None = None) -> None:
    """Print the names that a config can have (``None``), or one list or entry with type, unit,
    range and default of every field. Raises ConfigError: there is none, or a bad plugin."""
    others = {
        "problem": "data",
        "problems": "data",
        "loss": "losses",
    }  # each without its last s, too
    topic = others.get(what or "", what)
    topic = f"{topic}s" if f"{topic}s" in TOPICS else topic
    console = terminal.console()
    document, of_a_result = _listed(config)
    with looking(of_a_result):
        entries = sections(plugins_of(document))
    if what is None:
        _show_names(console, entries)
        return
    listed: dict[str, Entries] = {k: {what: own[what]} for k, own in entries.items() if what in own}
    if topic in entries:
        listed = {topic: entries[topic]}
    figures = FIGURES if topic == "figures" else [name for name in FIGURES if name == what]
    if not (listed or figures):
        raise at("list", what, one_of(known_names(entries), what))
    for kind, own in listed.items():
        _show_section(console, kind, own)
    if figures:
        title = ("figures", "bold underline"), "  erasurehead reproduce NAME ..."
        console.print(Text.assemble(*title))
    for made in map(figure_named, figures):
        _show_entry(console, made.name, first_sentence(made))
        keys = ", ".join(settable(made)) or "nothing"
        console.print(Padding(f"--set: {keys}", (0, 0, 0, 2)))


def _show_names(console: Console, entries: Mapping[str, Entries]) -> None:
    """A line for each list; of sections with one entry the names of its fields."""
    table = Table(box=None, pad_edge=False, show_header=False)
    lists = {kind: [name for name in own if " " not in name] for kind, own in entries.items()}
    for kind in ("network", "failures"):
        lists[kind] = [row.name for row in field_rows(entries[kind][kind])]
    for kind, names in {**lists, "figures": FIGURES}.items():
        if names:
            table.add_row(Text(kind, "bold"), ", ".join(names))
    console.print(table)
    console.print("\nTheir fields: erasurehead list NAME; those of a line: erasurehead list delays")


def _show_section(console: Console, kind: str, entries: Entries) -> None:
    where = (PLACES[kind], "italic")
    more = f"; a count can be {FOLLOWING}" if kind == "schemes" else ""
    more = "; the public ones: erasurehead data NAME" if kind == "data" else more
    console.print(Text.assemble((kind, "bold underline"), "  in a config: ", where, more))
    for entry, family in entries.items():
        _show_entry(console, entry, first_sentence(family))
        own = family.fields if issubclass(family, Objective) else family
        rows = [] if own is None else field_rows(own)  # the others of a loss are the data
        if not rows:
            continue
        known = [field.name for field in fields(FieldRow)]
        used = [name for name in known if any(getattr(row, name) for row in rows)]
        table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
        for name in used:
            whole, title = name in ("name", "unit", "default"), "field" if name == "name" else name
            table.add_column(title, no_wrap=whole, min_width=14 if name == "value" else None)
        for row in rows:
            table.add_row(*(Text(getattr(row, name)) for name in used))
        console.print(Padding(table, (0, 0, 0, 4)))
    console.print()


def _show_entry(console: Console, name: str, sentence: str) -> None:
    console.print(Padding(Text(name, "bold"), (1, 0, 0, 0)))
    console.print(Padding(sentence, (0, 0, 0, 2)))


# the paper of ``CITATION.cff``, which is not in a wheel
PAPER = """@article{wang2019erasurehead,
  title = {{ErasureHead}: Distributed Gradient Descent without Delays Using Approximate Gradient Coding},
  author = {Wang, Hongyi and Charles, Zachary and Papailiopoulos, Dimitris},
  journal = {arXiv preprint arXiv:1901.09671},
  year = {2019}
}"""  # noqa: E501
SOFTWARE = """@software{{erasurehead_simulator,
  title = {{ErasureHead simulator}},
  author = {{{{The ErasureHead simulator authors}}}},
  version = {{{version}}},{commit}
  year = {{{year}}}
}}"""
NAMED = ("python", "numpy", "scipy", "simpy", "scikit-learn")  # libraries that make the numbers


def citation(result: Path | None) -> str:
    """BibTeX of the paper and of the simulator: of the version that made a result, with a sentence
    that says how, or of this one. Raises ConfigError: there is no result."""
    from ..run.outputs import MANIFEST, provenance, required_id, seeds_of  # imports pandas

    if result is None:
        return f"{PAPER}\n\n{_software(provenance())}"
    identity = required_id(result)
    try:
        manifest = json.loads((result / MANIFEST).read_bytes())
        versions, machine = manifest["versions"], manifest.get("machine") or {}
        software = _software(manifest)
        version, commit = versions["erasurehead-simulator"], manifest.get("commit")
        libraries = ", ".join(f"{name} {versions[name]}" for name in NAMED if versions.get(name))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{result / MANIFEST}: cannot be read: {error!r}") from None
    date = str(manifest.get("date") or "")
    where = [manifest.get("host"), *(machine.get(key) for key in ("processor", "system", "blas"))]
    done = "Measured on real workers" if "live" in manifest else "Simulated"
    of = f" (commit {commit[:12]}{_changed(manifest)})" if commit else ""
    sentence = (
        f"{done} with erasurehead-simulator {version}{of}, {libraries}; "
        f"seeds: {seeds_of(manifest)}; computed on {', '.join(str(w) for w in where if w)}"
        f"{f' on {date[:10]}' if date else ''}; result {identity}."
    )
    return "\n\n".join([PAPER, software, line(sentence, 10**4)])


def _software(facts: Mapping[str, Any]) -> str:
    """BibTeX of the simulator, of the version that a manifest names."""
    commit = facts.get("commit")
    note = f"\n  note = {{commit {commit}{_changed(facts)}}}," if commit else ""
    year = str(facts.get("date") or "")[:4] or "n.d."
    version = facts["versions"]["erasurehead-simulator"]
    return SOFTWARE.format(version=version, commit=note, year=year)


def _changed(facts: Mapping[str, Any]) -> str:
    """What stands behind a commit whose files were changed."""
    return " with changes" if facts.get("dirty") else ""
