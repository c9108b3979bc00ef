"""``erasurehead atlas``: one page that says of every scheme what is known of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from inspect import cleandoc
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from ..sim.numerics import one_thread
from ..sim.schemes import Scheme, SchemeFamily
from ..sim.schemes.barrierless import Barrierless
from ..sim.schemes.base import Fixed, Independent, RandomOrder, RoundScheme, Sees
from ..sim.schemes.partial_work import PartlyUncoded
from ..sim.theory import NoFormula, worst_bound, worst_cases
from .config import build
from .config.catalogue import Catalogue, with_plugins
from .config.cells import cells
from .config.codec import names, plain
from .config.errors import ConfigError
from .config.schema import prose_of, section_of
from .page.answer import text_at
from .pictures import paint, style
from .pictures.kinds import gantt
from .pictures.picture import Axis, Heat, Panel, Picture
from .reproduce.atlas import Atlas
from .reproduce.base import Effort
from .run import timeline
from .run.files import all_or_none, locked, write_bytes
from .text import number_of

FACTS = {  # the entries of a docstring's ``Facts``, and how the page names them
    "load": "Load",
    "stop": "Stop",
    "decoding": "Decoding",
    "error": "Decoding error",
    "time": "Mean iteration time",
    "source": "Source",
    "confirmed": "Confirmed by",
    "ours": "Our own choice",
}
NOT_SAID = "not said."
SOURCE = re.compile(r"^Sources?: (?P<text>(?:.+\n?)+)", re.MULTILINE)


@dataclass(frozen=True)
class AtlasEntry:
    """A section of the page."""

    name: str  # the scheme's registry name
    prose: tuple[str, ...]  # paragraphs, the first of them what it is in a sentence or two
    fields: tuple[str, ...]  # keys of a config's section
    facts: Mapping[str, str]  # by the keys of ``FACTS``, all of them


def entry_of(family: type[SchemeFamily]) -> AtlasEntry:
    """The section of a scheme; where no ``source`` is given, the module's is taken."""
    facts = section_of(family, "Facts")
    found = SOURCE.search(cleandoc(sys.modules[family.__module__].__doc__ or ""))
    facts.setdefault("source", " ".join(found["text"].split()) if found else "")
    said = {key: facts.get(key) or NOT_SAID for key in FACTS}
    return AtlasEntry(family.name, tuple(prose_of(family)), names(family), said)


FOLDER = "atlas"  # of the pictures, beside the page
COMPARISON = "all-schemes"  # the name of the picture of all; no scheme can have it
BAR = "\\|"  # in a table, where a bar alone ends a cell
PIXELS = 360  # width of a picture on the page

HEADING = """# Atlas of schemes

{count} schemes, in the order of `erasurehead list schemes`. This page is made from the registry by
`erasurehead atlas --output docs`. The text of each entry is the scheme's docstring.

## How to read it

There are n workers and k partitions; k = n unless stated otherwise. A worker's load d is the
number of partitions that it computes in a round; s of the workers are stragglers, and the master
waits for r = n - s arrivals. Row j of the encoding matrix B says what worker j sends, and the
master adds up messages with a decoding vector a. So partition i has the weight `w_i = sum_j a_j
B_ji`, and the decoding error is `||w - 1||^2`: 0 if the gradient is exact, k if nothing is
decoded. For asynchronous schemes the error is computed per update; staleness is a separate column.

T_(i) is the time of the i-th fastest of n workers at the scheme's load, X the time of one
gradient, H_n = 1 + 1/2 + ... + 1/n, C(n, r) a binomial coefficient. "Measured" means that no
formula is known here; the columns of a run have the number. `eh.theory` has the functions,
`tests/` the tests. The conformance tests (`tests/contracts/`) check the promises of every scheme:
exactness for every pattern of stragglers, loads, copies, unbiasedness, engines that agree to the
bit. The line under a picture lists the promises of the configuration that it shows; the worst case
is that of `eh.theory.worst_bound`, and `erasurehead attack` looks for the stragglers.

A picture of a matrix has a square wherever a worker holds a partition. Schemes without an encoding
matrix, or with the identity, have a picture of the clock instead: the first rounds of a run with
shifted exponential delays (0.5 s and then 0.5 s on average). Tasks still under way at its end
count as broken off.

## All on one clock

Every synchronous scheme at n = 30 with several loads and waits, under three delay laws of one
mean. Schemes that no other beats in both time and error are named, the others are grey.
`erasurehead reproduce atlas` makes the picture, its numbers, and a table of the front.

<img src="{folder}/{comparison}.png" width="720" alt="Seconds against decoding error">

## The schemes
"""

LEFT_OUT = """## What is left out

- **Raptor-like batch codes.** They need a load of order `log(1/eps) / log(n/s)` for an error of
  `eps`, but the degree distribution is not in the sources we could read.
- **Tree codes and Lagrange codes.** Trees of masters are another network, and Lagrange codes
  compute polynomials of the data rather than sums of gradients.
"""


def atlas_page(families: Mapping[str, type[SchemeFamily]], names: Catalogue) -> str:
    """The whole page of these schemes; ``names`` is what a config can name."""
    entries = {family: entry_of(family) for family in families.values()}
    first = {name: _code(entries[family].prose[0]) for name, family in families.items()}
    rows = [f"| [{name}](#{name}) | {text.replace('|', BAR)} |" for name, text in first.items()]
    heading = HEADING.format(count=len(rows), folder=FOLDER, comparison=COMPARISON)
    table = "\n".join(["| scheme | what it does |", "|---|---|", *rows])
    sections = [_section(entry, family, names) for family, entry in entries.items()]
    return "\n".join([heading, table, "", *sections, LEFT_OUT])


def _section(entry: AtlasEntry, family: type[SchemeFamily], names: Catalogue) -> str:
    shown, workers = family.portrait()
    scheme = shown.build(workers)
    known = ", ".join(f"`{name}`" for name in entry.fields)
    lines = [f"## {entry.name}", "", "\n\n".join(map(_code, entry.prose)), ""]
    lines += [f"Fields: {known}.", ""] if known else []
    lines += [
        f'<img src="{FOLDER}/{entry.name}.png" width="{PIXELS}" alt="{entry.name}">',
        "",
        f"{workers} workers, `{configuration(shown, names)}`: {promised(scheme)}.",
        "",
        *(f"- **{title}:** {_code(entry.facts[key])}" for key, title in FACTS.items()),
        *worst(scheme),
    ]
    return "\n".join(lines) + "\n"


def promised(scheme: Scheme) -> str:
    """What the conformance tests hold a scheme to, beyond what every scheme must keep."""
    guarantees = scheme.guarantees
    exact = {True: "exact", False: "not exact", None: "exact or not, depending on who arrives"}
    words = [exact[scheme.exact]]
    if guarantees.copies is not None:
        words.append(
            f"{number_of(guarantees.copies, 'worker holds', 'workers hold')} each partition"
        )
    if guarantees.tolerates:
        any_ = number_of(guarantees.tolerates, "straggler is", "stragglers are")
        words.append(f"any {any_} tolerated")
    match guarantees.unbiased:
        case RandomOrder():
            words.append("unbiased if workers are alike")
        case Independent():
            words.append("unbiased if workers straggle with the given probabilities")
    return ", ".join(words)


def worst(scheme: Scheme) -> list[str]:
    """What the worst quarter and the worst half of the workers can do, where a bound is known."""
    cases = worst_cases(scheme)
    if isinstance(cases, NoFormula):
        return []
    counts = (scheme.workers // 4, scheme.workers // 2)
    known = [(s, bound) for s in counts if (bound := worst_bound(cases, s)) is not None]
    values = [f"{'' if bound.attained else 'at most '}{bound.value:.3g}" for _, bound in known]
    pairs = zip(values, known, strict=True)
    said = [f"{value} with s = {s} ({bound.source})" for value, (s, bound) in pairs]
    return [f"- **Worst case, as shown:** {', '.join(said)}."] if said else []


def configuration(family: SchemeFamily, names: Catalogue) -> str:
    """The section that names a scheme, without defaults; a file counts by its name alone."""
    default = {field.name: field.default for field in fields(family)}  # type: ignore[arg-type]
    said = [
        f"{key}: {Path(value).name if key == 'path' else value}"
        for key, value in plain(family, names).items()
        if key == "name" or default[key] is MISSING or plain(default[key], names) != value
    ]
    return "{" + ", ".join(said) + "}"


def _code(text: str) -> str:
    return text.replace("``", "`")


DELAY = {"model": "shifted_exponential", "shift": 0.5, "rate": 2.0}  # seconds; mean 1
TRAINING = {  # for schemes that look at losses
    "problem": {"loss": "logistic", "dataset": "synthetic", "rows": 480, "features": 10},
    "optimizer": {"rule": "gd", "learning_rate": 0.1},
}
WIDTH = 3.4  # inches of a matrix
ROUNDS, CYCLES = 4, 1  # rounds in a picture; without rounds, iterations of n gradients


def portrait(family: SchemeFamily, workers: int, catalogue: Catalogue) -> Picture:
    """A scheme's picture, among n workers. Raises ConfigError, ImpossibleCell: it cannot work."""
    scheme = family.build(workers)
    rounds = not isinstance(scheme, Barrierless)
    iterations = (ROUNDS if rounds else CYCLES) * scheme.local_steps
    document: dict[str, Any] = {"workers": workers, "iterations": iterations, "replications": 1}
    document |= {"seed": 0, "delay": DELAY, "schemes": [plain(family, catalogue)]}
    if isinstance(scheme, RoundScheme) and scheme.sees is Sees.LOSSES:
        document |= TRAINING
    [cell] = cells(document)
    if (encoding := encoding_of(build.scheme_of(cell))) is not None:
        return _matrix(encoding, workers)
    free = () if rounds else (cell.label,)
    spans = gantt.classified(timeline.timeline_table(timeline.record([cell])), free)
    end = float(spans.loc[spans["worker"] < 0, "end"].max())
    named = sorted(int(worker) for worker in spans["worker"].unique() if worker >= 0)
    panel = gantt.panel(spans, named, end, "round" if rounds else "update")
    return Picture([panel], columns=1, width=style.ONE_PANEL, height=2.9, legend=2)


def encoding_of(scheme: Scheme) -> sparse.csr_array | None:
    """``(n m, k)``, or ``None`` where there is no encoding matrix worth a look."""
    match scheme:
        case Fixed():
            encoding = scheme.assignment.encoding
        case PartlyUncoded():
            encoding = scheme.code.assignment.encoding
        case _:
            return None
    uncoded = encoding.shape[0] == encoding.shape[1] == encoding.nnz == encoding.diagonal().sum()
    return None if uncoded else encoding


def _matrix(encoding: sparse.csr_array, workers: int) -> Picture:
    """Workers down, partitions across. Shades are the sizes of the coefficients or, of a worker
    with several messages, the order in which it sends them."""
    messages = encoding.shape[0] // workers
    sizes = np.abs(encoding.toarray()).reshape(workers, messages, -1)
    label = "in which message" if messages > 1 else "size of coefficient"
    if messages > 1:
        sizes = (sizes > 0) * np.arange(1.0, messages + 1)[:, None]
    shades = sizes.max(axis=1)
    rows, columns = shades.shape
    axes = (_numbered("partition", columns), _numbered("worker", rows))
    panel = Panel(*axes, [Heat(np.where(shades > 0, shades, np.nan), label)], grid=False)
    height = 0.75 + 0.7 * WIDTH * rows / columns
    return Picture([panel], columns=1, width=WIDTH, height=max(1.9, height))


def _numbered(label: str, count: int) -> Axis:
    places = tuple(range(0, count, max(1, -(-count // 12))))
    return Axis(label, names=tuple(map(str, places)), places=places)


PAGE = "atlas.md"


def write_atlas(output: Path, progress: Callable[[int, int], None]) -> Path:
    """Write ``atlas.md``, a picture of each scheme and the comparison; returns the page's path.
    Installed plugins have their sections too. The comparison is the figure ``atlas`` of
    ``erasurehead reproduce``. ``progress`` is called with pictures done and pictures in all. Raises
    ConfigError: another page or folder of these names is there."""
    names, comparison = with_plugins(), Atlas()
    families: Mapping[str, type[SchemeFamily]] = names["schemes"].classes
    path = output / PAGE
    there = path.exists() or (output / FOLDER).exists()
    if there and not text_at(path).startswith(HEADING.splitlines()[0]):
        raise ConfigError(f"{output}: holds another {PAGE} or {FOLDER}/; give another --output")
    pictures = [output / FOLDER / f"{name}.png" for name in (*families, COMPARISON)]
    with locked(output), all_or_none([*pictures, path]):
        if not path.exists():  # so that pictures which a killed command leaves are known as ours
            write_bytes(path, f"{HEADING.splitlines()[0]}\n\nIt is being made.\n".encode())
        progress(0, len(families) + 1)
        known: dict[Any, Any] = {}
        for done, (name, family) in enumerate(families.items(), start=1):
            picture = paint.figure(portrait(*family.portrait(), names), known)
            style.save(picture, output / FOLDER / name, ("png",))
            progress(done, len(families) + 1)
        with one_thread():
            frame = comparison.compute(Effort())
        style.save(paint.figure(comparison.picture(frame)), output / FOLDER / COMPARISON, ("png",))
        progress(len(families) + 1, len(families) + 1)
        write_bytes(path, atlas_page(families, names).encode())
    return path
