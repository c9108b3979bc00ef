"""A page as HTML: one file, no other is asked for. Whatever a label holds is text."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib.resources import files as resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ...sim.base.errors import escaped
from ..pictures.picture import Chart
from ..pictures.svg.marks import PageStyle
from ..pictures.svg.picture import DrawnPicture, LegendEntry, draw_picture
from ..text import unbroken
from .content import Image, Page, Section, Table

TEMPLATES = "templates"
CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Part:
    """A part of a section, how it is drawn, its own legend, and what is grey for want of room."""

    kind: str
    of: Chart | Image | Table
    drawn: DrawnPicture | None = None
    source: str = ""
    entries: tuple[LegendEntry, ...] = ()
    muted: tuple[int, ...] = ()


@dataclass(frozen=True)
class DrawnSection:
    """A section, and the entries that the legends of its pictures have in common."""

    of: Section
    parts: list[Part]
    legend: tuple[LegendEntry, ...]
    muted: tuple[int, ...] = ()
    folded: Sequence[DrawnSection] = ()

    @property
    def every(self) -> Sequence[DrawnSection]:
        """The section, and those that are folded in it."""
        return [self, *(inner for section in self.folded for inner in section.every)]


def as_html(page: Page) -> str:
    """The whole file; the same page gives the same text. Cost: about 0.3 s for 60 cells."""
    page_style = PageStyle()
    lead, *others = with_lead(page.sections, page.leads)
    first = drawn(lead, page_style)
    sections = [drawn(section, page_style) for section in others]
    light, dark = page_style.css()
    script = text("pictures.js") + text("page.js")
    template = environment().get_template("page.html.j2")
    page_text = template.render(
        page=page,
        lead=first,
        sections=sections,
        values=json_text(panel_values([first, *sections])),
        definitions=page_style.definitions(),
        style=Markup(text("page.css")),
        light=Markup(light),
        dark=Markup(dark),
        script=Markup(script),
        script_hash=script_hash(f"\n{script}\n"),
    )
    return page_text if page_text.endswith("\n") else f"{page_text}\n"


def with_lead(sections: Sequence[Section], leads: int) -> list[Section]:
    """The sections that have something, after one of the first picture of so many: these stand
    beside the reasons, above all else. Of several, each has the title of its section."""
    some = [section for section in sections if section.shown or section.folded]
    first, kept = list[Chart | Image](), list[Section]()
    for section in some:
        own = next((part for part in section.shown if isinstance(part, Chart | Image)), None)
        if own is None or len(first) == leads:
            kept.append(section)
            continue
        first.append(replace(own, title=section.title) if leads > 1 else own)
        rest = replace(section, parts=[part for part in section.parts if part is not own])
        kept += [rest] if rest.shown or rest.folded or rest.command else []
    return [Section("lead", "", first), *kept]


def said_once(table: Table) -> Table:
    """What all of three rows or more have alike stands in the note, and in no column; the columns
    that tell rows apart stay, and all if nothing else would be left."""
    texts = [{row[column].text for row in table.rows} for column in range(len(table.columns))]
    alike = [i for i, own in enumerate(texts) if i >= table.keys and len(own) == 1]
    kept = [i for i in range(len(texts)) if i not in alike]
    if len(table.rows) < 3 or not alike or len(kept) == table.keys:
        return table
    same = ", ".join(f"{table.columns[i]} {table.rows[0][i].text}" for i in alike)
    return replace(
        table,
        columns=[table.columns[i] for i in kept],
        rows=[[row[i] for i in kept] for row in table.rows],
        note=f"{table.note} In all rows: {same}.".strip(),
        numbers=frozenset(at for at, i in enumerate(kept) if i in table.numbers),
    )


def panel_values(sections: Sequence[DrawnSection]) -> dict[str, Mapping[str, Any]]:
    """What a pointer reads in each panel, by the panel's identifier."""
    return {
        panel.ident: panel.values
        for outer in sections
        for section in outer.every
        for drawn_part in section.parts
        if drawn_part.drawn is not None
        for panel in drawn_part.drawn.panels
    }


def drawn(section: Section, page_style: PageStyle) -> DrawnSection:
    """One legend for all pictures that name the same schemes, above them; notes stay below each."""
    drawn_parts = []
    for of in section.shown:
        match of:
            case Chart():
                picture = draw_picture(of.picture, of.title, of.ident, page_style)
                drawn_parts.append(Part("chart", of, picture))
            case Image():
                data = base64.b64encode(of.png).decode("ascii")
                drawn_parts.append(Part("image", of, source=f"data:image/png;base64,{data}"))
            case Table():
                drawn_parts.append(Part("table", said_once(of)))
    pictures = [drawn_part.drawn for drawn_part in drawn_parts if drawn_part.drawn is not None]
    every = ({entry.key for entry in picture_.entries if entry.key >= 0} for picture_ in pictures)
    named = [keys for keys in every if keys]
    common = set.union(*named) if len(named) > 1 and set.intersection(*named) else set()
    legend: dict[int, LegendEntry] = {}
    shared = (entry for picture_ in pictures for entry in picture_.entries if entry.key in common)
    for entry in shared:
        legend.setdefault(entry.key, entry)
    for number, drawn_part in enumerate(drawn_parts):
        if drawn_part.drawn is not None:
            own = [entry for entry in drawn_part.drawn.entries if entry.key not in common]
            entries, muted = legible(own)
            drawn_parts[number] = replace(drawn_part, entries=entries, muted=muted)
    folded = [drawn(inner, page_style) for inner in section.folded]
    return DrawnSection(section, drawn_parts, *legible([*legend.values()]), folded)


def legible(
    entries: Sequence[LegendEntry], most: int = 8
) -> tuple[tuple[LegendEntry, ...], tuple[int, ...]]:
    """The entries of a legend, and the keys of those for which it has no room: eyes tell no more
    schemes' colours apart. The others are grey, and named under a pointer."""
    keys = [entry.key for entry in entries if entry.key >= 0]
    muted = tuple(keys[most:])
    return tuple(entry for entry in entries if entry.key not in muted), muted


def json_text(values: Any) -> Markup:
    """JSON that ends no script element and begins no comment."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def script_hash(script: str) -> str:
    """As a content security policy names a script."""
    return "sha256-" + base64.b64encode(sha256(script.encode()).digest()).decode("ascii")


def with_code(text: str) -> Markup:
    """A sentence in which backticks mark commands."""
    pieces = CODE.split(escaped(text))
    return Markup("").join(
        as_code(piece) if number % 2 else with_options(unbroken(piece))
        for number, piece in enumerate(pieces)
    )


def as_code(command: str) -> Markup:
    """A command."""
    plain = str(escape(escaped(command)))
    options = re.sub(r"--\w[\w-]*", r'<span class="option">\g<0></span>', plain)
    return Markup("<code>{}</code>").format(Markup(options))


def with_options(text: str) -> Markup:
    """The text, in which no line ends between the dashes and the name of an option."""
    plain = re.sub(r"(?<![\w.-])-(?=[\d.]+\b)", "\N{MINUS SIGN}", str(escape(text)))
    return Markup(re.sub(r"--\w[\w-]*", r'<span class="option">\g<0></span>', plain))


def commands_in(text: str) -> list[str]:
    """The commands that stand between backticks."""
    quoted = CODE.findall(escaped(text))
    return [command for command in quoted if command.startswith("erasurehead ")]


@cache
def environment() -> Environment:
    """The templates; whatever they are given is escaped."""
    loader = PackageLoader("erasurehead.experiments.page", TEMPLATES)
    blocks: Any = {"trim_blocks": True, "lstrip_blocks": True}
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, **blocks)
    made.filters |= {"code": with_code, "commands": commands_in, "command": as_code}
    made.filters |= {"plain": escaped, "words": lambda text: with_options(unbroken(escaped(text)))}
    return made


@cache
def text(name: str) -> str:
    """A script or a style sheet."""
    return (resources("erasurehead.experiments.page") / TEMPLATES / name).read_text("utf-8")
