"""The page as Markdown, which GitHub and mkdocs show alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path

from ...sim.schemes.base import Scheme, SchemeFamily
from ...sim.schemes.claims import Independent, RandomOrder
from ...sim.theory import NoFormula, worst_bound, worst_cases
from ..config.catalogue import Catalogue
from ..config.codec import plain
from ..counted import counted
from .entry import FACTS, Entry, entry_of

FOLDER = "atlas"
"""Of the pictures, beside the page."""

COMPARISON = "all-schemes"
"""The name of the picture of all; no scheme can have it."""

PIXELS = 360
"""Width of a picture on the page."""

HEADING = """# Atlas of schemes

{count} schemes, in the order of `erasurehead list schemes`. This page is made from the registry by
`erasurehead atlas --output docs`; what it says of a scheme stands in its docstring.

## How to read it

There are n workers and k partitions, and k = n unless something else is said. A worker's load d is
what it computes in a round; s of the workers are stragglers, and the master waits for r = n - s
arrivals. Row j of the encoding matrix B says what worker j sends, and the master adds up messages
with a decoding vector a. So partition i has the weight `w_i = sum_j a_j B_ji`, and the decoding
error is `||w - 1||^2`: 0 where the gradient is exact, k where nothing is decoded. An update without
rounds has the error of its own weights, and its staleness comes on top.

T_(i) is the time of the i-th fastest of n workers at the scheme's load, X the time of one gradient,
H_n = 1 + 1/2 + ... + 1/n, C(n, r) a binomial coefficient. "Measured" says that no formula is known
here: a run has it in its columns. `eh.theory` has the functions, `tests/` the tests. Beside those
that are named, the conformance tests (`tests/contracts/`) hold every scheme to what it promises:
exactness for every pattern of stragglers, loads, copies, unbiasedness, engines that agree to the
bit. The line under a picture has the promises of the configuration that it shows, and the worst
case is that of `eh.theory.worst_bound`; `erasurehead attack` looks for the stragglers.

A matrix has a square wherever a worker holds a partition; a clock has the first rounds of a run,
whose delays are shifted exponential (0.5 s and then 0.5 s on average), and what is under way when
the run ends counts as broken off. Schemes whose encoding matrix is the identity, or that have none,
have a clock.

## All on one clock

Every synchronous scheme at n = 30 with several loads and waits, under three delay laws of one mean:
what no other beats in both time and error is named, the rest is grey. `erasurehead reproduce atlas`
makes the picture, with its numbers, the front as a table, and what is left out.

<img src="{folder}/{comparison}.png" width="720" alt="Seconds against decoding error">

## The schemes
"""

LEFT_OUT = """## What is left out

- **Raptor-like batch codes.** They need a load of order `log(1/eps) / log(n/s)` for an error of
  `eps`, but the degree distribution is not in what we could read.
- **Tree codes and Lagrange codes.** Trees of masters are another network, and Lagrange codes
  compute polynomials of the data rather than sums of gradients.
- **Local SGD and its families.** Workers that train models of their own and average them need
  another learner.
"""


def page(families: Mapping[str, type[SchemeFamily]], names: Catalogue) -> str:
    """The whole page.

    Args:
        families: the schemes.
        names: what a config can name.
    """
    entries = {family: entry_of(family) for family in families.values()}
    rows = [f"| [{name}](#{name}) | {_cell(entries[f].prose[0])} |" for name, f in families.items()]
    heading = HEADING.format(count=len(rows), folder=FOLDER, comparison=COMPARISON)
    table = "\n".join(["| scheme | what it does |", "|---|---|", *rows])
    sections = [_section(entry, family, names) for family, entry in entries.items()]
    return "\n".join([heading, table, "", *sections, LEFT_OUT])


def _section(entry: Entry, family: type[SchemeFamily], names: Catalogue) -> str:
    shown, workers = family.portrait()
    scheme = shown.build(workers)
    lines = [f"## {entry.name}", "", "\n\n".join(map(_code, entry.prose)), ""]
    if entry.fields:
        known = ", ".join(f"`{name}`" for name in entry.fields)
        lines += [f"Fields: {known}.", ""]
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
    claims = scheme.claims
    exact = {True: "exact", False: "not exact", None: "exact or not, as who arrives decides"}
    words = [exact[scheme.exact]]
    if claims.copies is not None:
        words.append(f"{counted(claims.copies, 'worker holds', 'workers hold')} each partition")
    if claims.tolerates:
        words.append(f"any {counted(claims.tolerates, 'straggler is', 'stragglers are')} tolerated")
    match claims.unbiased:
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
    said = [
        f"{'' if bound.attained else 'at most '}{bound.value:.3g} with s = {s} ({bound.source})"
        for s, bound in known
    ]
    return [f"- **Worst case, as shown:** {', '.join(said)}."] if said else []


def configuration(family: SchemeFamily, names: Catalogue) -> str:
    """The section of a config that names a scheme, without what it leaves at its default.

    A file counts by its name: where it lies is a matter of the machine.
    """
    default = {field.name: field.default for field in fields(family)}  # type: ignore[arg-type]
    section = plain(family, names)
    said = [
        f"{key}: {Path(value).name if key == 'path' else value}"
        for key, value in section.items()
        if key == "name" or default[key] is MISSING or plain(default[key], names) != value
    ]
    return "{" + ", ".join(said) + "}"


def _code(text: str) -> str:
    """Marks of code as Markdown has them."""
    return text.replace("``", "`")


def _cell(text: str) -> str:
    """A text in a table."""
    return _code(text).replace("|", "\\|")
