"""The atlas: an entry for every scheme, and what an entry says is what the program does."""

from __future__ import annotations

import re
import sys
from dataclasses import MISSING, dataclass, fields
from importlib.metadata import version
from inspect import cleandoc
from math import comb, exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import erasurehead
from erasurehead import ConfigError
from erasurehead.delays import ShiftedExponential
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.codec import Reader, plain
from erasurehead.experiments.config.schema import first_sentence
from erasurehead.experiments.pictures.picture import Bars, Heat
from erasurehead.experiments.text import number_of
from erasurehead.load_laws import Proportional
from erasurehead.plugins import Fixed, Guarantees, Independent, RandomOrder
from erasurehead.schemes import SCHEMES, Scheme, SchemeFamily
from erasurehead.sim import theory
from tests.golden.records import require_recorded
from website.atlas_pictures import COMPARISON, portrait, write_atlas

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ENTRY = re.compile(r"^### (?P<name>\w+)\n(?P<text>.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
BULLET = re.compile(r"^- \*\*(?P<title>[^:*]+):\*\* (?P<text>.*(?:\n  .*)*)", re.MULTILINE)
TITLES = ["Load", "Stop", "Decoding", "Decoding error", "Mean iteration time", "Source"]

every_scheme = pytest.mark.parametrize("name", SCHEMES)


def entries() -> dict[str, str]:
    """By scheme, what stands under its heading."""
    page = (DOCS / "atlas.md").read_text(encoding="utf-8")
    return {found["name"]: found["text"] for found in ENTRY.finditer(page)}


def bullets(text: str) -> dict[str, str]:
    return {b["title"]: " ".join(b["text"].split()) for b in BULLET.finditer(text)}


def promised(scheme: Scheme) -> str:
    """What the conformance tests hold a scheme to, beyond what every scheme must keep."""
    held = scheme.guarantees
    exact = {True: "exact", False: "not exact", None: "exact or not, depending on who arrives"}
    words = [exact[scheme.exact]]
    if held.copies is not None:
        holders = number_of(held.copies, "worker holds", "workers hold")
        words.append(f"{holders} each partition")
    if held.tolerates:
        stragglers = number_of(held.tolerates, "straggler is", "stragglers are")
        words.append(f"any {stragglers} tolerated")
    match held.unbiased:
        case RandomOrder():
            words.append("unbiased if workers are alike")
        case Independent():
            words.append("unbiased if workers straggle with the given probabilities")
    return ", ".join(words)


def worst(scheme: Scheme) -> str | None:
    """What the worst quarter and the worst half of the workers can do, where a bound is known."""
    cases = theory.worst_cases(scheme)
    if isinstance(cases, theory.NoFormula):
        return None
    bounds = {s: theory.worst_bound(cases, s) for s in (scheme.workers // 4, scheme.workers // 2)}
    known = [
        f"{'' if b.attained else 'at most '}{b.value:.3g} with s = {s} ({b.source})"
        for s, b in bounds.items()
        if b is not None
    ]
    return f"{', '.join(known)}." if known else None


def section(family: SchemeFamily) -> str:
    """The section of a config that names a scheme, without defaults; a file by its name alone."""
    default = {field.name: field.default for field in fields(family)}  # type: ignore[arg-type]
    given = [
        f"{key}: {Path(value).name if key == 'path' else value}"
        for key, value in plain(family, BUILT_IN).items()
        if key == "name" or default[key] is MISSING or plain(default[key], BUILT_IN) != value
    ]
    return "{" + ", ".join(given) + "}"


def test_every_scheme_has_its_entry_and_its_picture() -> None:
    page = (DOCS / "atlas.md").read_text(encoding="utf-8")
    there = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    for name in SCHEMES:
        assert name in there, f"docs/atlas.md has no entry of {name}"
    assert sorted(there) == sorted(SCHEMES)
    for name in SCHEMES:
        assert page.count(f"[{name}](#{name})") == 1, f"{name} is not in the table of families"
    files = list((DOCS / "atlas").iterdir())
    assert {file.stem for file in files} == {*SCHEMES, COMPARISON}, REMEDY
    assert sum(file.stat().st_size for file in files) < 1.5e6
    # ErasureHead once had the picture of fractional repetition, since their matrices are the same
    assert len({file.read_bytes() for file in files}) == len(files)


REMEDY = "run: make atlas"


@every_scheme
def test_an_entry_is_complete(name: str) -> None:
    """Its sentence is that of `list`; promises and worst cases are those of the scheme shown."""
    text, family = entries()[name], SCHEMES[name]
    assert text.replace("`", "").strip().startswith(first_sentence(family))
    assert f'<img src="atlas/{name}.png"' in text
    shown, workers = family.portrait()
    scheme = shown.build(workers)
    assert f"{workers} workers, `{section(shown)}`: {promised(scheme)}.\n" in text
    found = bullets(text)
    more = ["Our own choice", *["Cost"] * ("Cost" in found)]
    last = {} if (bound := worst(scheme)) is None else {"Worst case, as shown": bound}
    wanted = [*TITLES, *more, *last]
    assert [*found] == wanted, f"docs/atlas.md, {name}: the lines of an entry are {wanted}"
    assert all(found.values())
    for title, words in last.items():
        assert found[title] == words, f"docs/atlas.md, {name}: - **{title}:** {words}"


@every_scheme
def test_a_docstring_names_its_source(name: str) -> None:
    """The class's own, or that of a module about one paper."""
    family = SCHEMES[name]
    docs = family.__doc__, sys.modules[family.__module__].__doc__
    assert any(re.search(r"^Sources?: ", cleandoc(doc or ""), re.MULTILINE) for doc in docs)


# Formulas, by value.

SHIFT, RATE = 0.5, 2.0
ROUNDS, REPLICATIONS = 200, 64
BOUND = 4.9  # standard errors
SYMBOLS = {
    "load": "d", "wait_for": "rK", "batch": "K", "copy_after": "q", "share": "c", "ahead": "s",
    "trials": "A", "patience": "t", "degree": "d",
}  # fmt: skip
LATEX = {
    r"\\frac\{([^{}]*)\}\{([^{}]*)\}": r"((\1)/(\2))",
    r"\\binom\{([^{}]*)\}\{([^{}]*)\}": r"comb(\1, \2)",
    r"H_\{([^{}]*)\}": r"H(\1)",
    r"H_(\w)": r"H(\1)",
    r"\\(mu|Delta|lambda)": r" \1 ",
}


def arithmetic(latex: str) -> str | None:
    """A formula of plain arithmetic as Python has it; None: it is another, or a symbol alone."""
    for pattern, python in LATEX.items():
        latex = re.sub(pattern, python, latex)
    tokens = re.findall(r"\d+|\w+|\S", latex)
    if not set("+-/^(") & set(tokens) or not all(re.fullmatch(r"\w+|[-+/^(),]", x) for x in tokens):
        return None
    python = ""
    for before, token in zip(["(", *tokens], tokens, strict=False):
        function = before in ("comb", "H") and token == "("
        product = re.fullmatch(r"\w+|\)", before) and re.fullmatch(r"\w+|\(", token)
        python += "*" * bool(product and not function) + token.replace("^", "**")
    return python.replace("lambda", "lambda_")


@dataclass(frozen=True)
class Claimed:
    """A formula of an entry, with the fields that stand beside it."""

    formula: str
    changes: dict[str, Any]
    bounds: bool  # an upper bound
    over_codes: bool  # a mean over codes, too

    def compared(self, name: str, title: str) -> tuple[float, np.ndarray] | None:
        """The value and ``(N,)`` simulated ones; ``None``: it has symbols that no field has."""
        family, workers = SCHEMES[name].portrait()
        given = plain(family, BUILT_IN) | self.changes
        workers = given.pop("workers", workers)
        del given["name"]
        shift = SHIFT if "Delta" in self.formula else 0.0
        delay = ShiftedExponential(shift=shift, rate=RATE)

        def shown(**more: object) -> SchemeFamily:
            made: SchemeFamily = Reader(BUILT_IN, workers).build(SCHEMES[name], given | more)
            return made

        def per_update(scheme: SchemeFamily, replications: int) -> np.ndarray:
            run = erasurehead.simulate(
                scheme, delay, workers=workers, iterations=ROUNDS, replications=replications
            )
            if title == "Decoding error":
                return run.decoding_error.mean(axis=1)
            return run.times[:, -1] / scheme.build(workers).updates(ROUNDS)

        known = {"n": workers, "k": shown().build(workers).partitions, "mu": RATE, "Delta": shift}
        try:
            value = eval(self.formula, FUNCTIONS, known | symbols(given, workers))
        except (NameError, TypeError):
            return None
        if not self.over_codes:
            return value, per_update(shown(), REPLICATIONS)
        codes = [shown(code_seed=seed) for seed in range(REPLICATIONS)]
        return value, np.array([per_update(code, 8).mean() for code in codes])


FUNCTIONS = {"comb": comb, "H": lambda m: theory.harmonic(round(m))}


def symbols(given: dict[str, Any], workers: int) -> dict[str, float]:
    """What the letters of formulas are, by the fields of a config."""
    known: dict[str, float] = {}
    for key, value in given.items():
        known |= dict.fromkeys(SYMBOLS.get(key, ()), value)
    if isinstance(stop := given.get("stop"), dict):
        known["r"] = stop["first"]
    if "d" in known:
        known["lambda_"] = known["d"] * (known["d"] - 1) / (workers - 1)
    if "t" in known:
        known["p"] = 1 - exp(-RATE * known["t"])
    return known


def claimed(text: str) -> list[Claimed]:
    """The formulas of a bullet, each with the `key: value` of its part of the sentence."""
    found = []
    for part in re.split(r"; |\. ", text.split("*Code:*")[0]):
        changes: dict[str, Any] = {}
        for pair in re.findall(r"`(\w+: [^`]+)`", part):
            changes |= yaml.safe_load(f"{{{pair}}}")
        for before, latex in re.findall(r"([^$]*)\$([^$]+)\$", part):
            if (formula := arithmetic(latex)) is not None:
                bounds = before.rstrip().endswith("at most")
                found.append(Claimed(formula, changes, bounds, "over codes" in part))
    return found


@every_scheme
@pytest.mark.parametrize("title", ["Decoding error", "Mean iteration time"])
def test_what_an_entry_claims_is_what_a_run_has(name: str, title: str) -> None:
    """Catches a formula that is wrong, one that nothing checks, and one that is known but missing.

    Formulas of plain arithmetic are compared with a simulation. Others have a closed form in the
    theory, which ``verify`` and the conformance tests compare; else the entry says *measured*."""
    text = bullets(entries()[name])[title]
    _, _, code = text.partition("*Code:*")
    own = {field.name for field in fields(SCHEMES[name])}  # type: ignore[arg-type]
    assert set(re.findall(r"`(\w+)`", code)) <= {*theory.__all__, *own}
    checked = 0
    for claim in claimed(text):
        if (compared := claim.compared(name, title)) is not None:
            value, simulated = compared
            error = BOUND * simulated.std(ddof=1) / np.sqrt(len(simulated)) + 1e-9 * (1 + value)
            away = simulated.mean() - value
            assert away <= error, f"{claim}: {simulated.mean():.5g} is above {value:.5g}"
            assert claim.bounds or away >= -error, f"{claim}: {simulated.mean():.5g}, {value:.5g}"
            checked += not claim.bounds
    family, workers = SCHEMES[name].portrait()
    shown = family.build(workers)
    some = [shown, *(example.build(12) for example in SCHEMES[name].examples())]
    if title == "Mean iteration time":
        law = ShiftedExponential(shift=0.0, rate=RATE), Proportional()
        laws = [theory.scheme_iteration_time(scheme, *law) for scheme in some]
        known = [isinstance(each, theory.IterationTimeLaw) for each in laws]
        assert ("scheme_iteration_time" in text) or not known[0], f"{name}: the theory has its law"
        assert any(known) or "scheme_iteration_time" not in text, "the theory has no such law"
        exact = False
    else:
        exact = text.startswith("0")
        assert exact or shown.exact is not True
        if exact:
            run = erasurehead.simulate(
                family, ShiftedExponential(shift=0.0, rate=RATE), workers=workers, iterations=20
            )
            assert run.decoding_error.max() < 1e-9
        errors = [theory.expected_decoding_error(scheme) for scheme in some]
        known = [error is not None for error in errors]
        lacking = (
            f"docs/atlas.md, {name}: the theory has its error: *Code:* `expected_decoding_error`"
        )
        assert checked or exact or code or not known[0], lacking
    assert checked or exact or (code and any(known)) or "measured" in text


def test_a_wrong_formula_is_found() -> None:
    """The judge of the test above, by hand; and each kind of formula that it reads."""
    right, wrong = (Claimed(f, {}, False, False) for f in ("Delta+H(n)/mu", "Delta+H(n-1)/mu"))
    for claim, agrees in ((right, True), (wrong, False)):
        compared = claim.compared("uncoded", "Mean iteration time")
        assert compared is not None
        value, simulated = compared
        z = (simulated.mean() - value) / simulated.std(ddof=1) * np.sqrt(len(simulated))
        assert (abs(z) < BOUND) == agrees
    assert arithmetic(r"k (k - d) (n - r) / (r d (n - 1))") == "k*(k-d)*(n-r)/(r*d*(n-1))"
    assert arithmetic(r"n \binom{n-d}{r} / \binom{n}{r}") == "n*comb(n-d,r)/comb(n,r)"
    assert arithmetic(r"\frac{1}{\mu} (H_n - H_{n-r})") == "((1)/(mu))*(H(n)-H(n-r))"
    assert arithmetic(r"d \lfloor r \rfloor") is None
    assert arithmetic("n") is None
    assert claimed("$k / 2$ with `a: {b: 1}`; at most $k - 1$")[0].changes == {"a": {"b": 1}}


def test_promises_are_those_that_are_tested() -> None:
    """One of each kind; catches a guarantee that the page does not know."""
    known = {field.name for field in fields(Guarantees)}
    assert known == {"copies", "tolerates", "unbiased", "mean_error", "largest_error"}
    cyclic = SCHEMES["cyclic_mds"](load=4).build(12)  # type: ignore[call-arg]
    assert (
        promised(cyclic) == "exact, 4 workers hold each partition, any 3 stragglers are tolerated"
    )


# Pictures.


@pytest.mark.golden
@every_scheme
def test_a_portrait_is_the_recorded_one(name: str) -> None:
    require_recorded("atlas", {name: portrait(*SCHEMES[name].portrait(), BUILT_IN)})


def test_a_portrait_of_a_code_begins_with_its_matrix() -> None:
    """Fano: every worker three partitions, any two workers one in common."""
    panel, _ = portrait(*SCHEMES["block_design"].portrait(), BUILT_IN).panels
    [heat] = panel.marks
    assert isinstance(heat, Heat)
    held = ~np.isnan(heat.values)
    np.testing.assert_array_equal(held @ held.T.astype(int), 1 + 2 * np.eye(7, dtype=int))


def test_a_portrait_of_several_messages_has_their_order() -> None:
    """Worker 1 sends partition 1 first and partition 3 last."""
    family = SCHEMES["multi_message"](load=3)  # type: ignore[call-arg]
    panel, _ = portrait(family, 6, BUILT_IN).panels
    [heat] = panel.marks
    assert isinstance(heat, Heat)
    np.testing.assert_array_equal(heat.values[1, :5], [np.nan, 1, 2, 3, np.nan])


def test_shades_are_sizes_of_coefficients() -> None:
    """Of a code of one message a worker; rows are workers, columns partitions."""
    family = SCHEMES["cyclic_repetition"](load=3)  # type: ignore[call-arg]
    scheme = family.build(6)
    assert isinstance(scheme, Fixed)
    sizes = np.abs(scheme.assignment.encoding.toarray())
    panel, _ = portrait(family, 6, BUILT_IN).panels
    [heat] = panel.marks
    assert isinstance(heat, Heat)
    np.testing.assert_array_equal(heat.values, np.where(sizes > 0, sizes, np.nan))
    assert (panel.x.label, panel.y.label) == ("partition", "worker")


@pytest.mark.parametrize(("workers", "step"), [(12, 1), (14, 2), (24, 2), (26, 3)])
def test_a_portrait_has_at_most_twelve_numbers(workers: int, step: int) -> None:
    family = SCHEMES["erasurehead"](load=2, wait_for=workers // 2)  # type: ignore[call-arg]
    panel, _ = portrait(family, workers, BUILT_IN).panels
    for axis in (panel.x, panel.y):
        assert axis.places == tuple(range(0, workers, step))
        assert axis.names == tuple(map(str, range(0, workers, step)))


def test_a_clock_has_every_worker_until_the_last_update() -> None:
    [panel] = portrait(SCHEMES["uncoded"](), 5, BUILT_IN).panels
    bars = [mark for mark in panel.marks if isinstance(mark, Bars)]
    ends = np.concatenate([mark.end for mark in bars])
    assert {*np.concatenate([mark.rows for mark in bars]).tolist()} == {*range(5)}
    assert panel.x.high is not None
    assert ends.max() == pytest.approx(panel.x.high, rel=0.05)


def test_a_portrait_without_a_matrix_is_a_clock() -> None:
    for name, updates in [("uncoded", 4), ("ignore_stragglers", 4), ("k_async", 5)]:
        [panel] = portrait(*SCHEMES[name].portrait(), BUILT_IN).panels
        assert any(isinstance(mark, Bars) for mark in panel.marks)
        assert f": {updates} " in panel.title


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    """And an atlas is drawn again, also where it was cut off after its first picture."""
    (tmp_path / "uncoded.png").write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"holds uncoded\.png and no all-schemes\.png"):
        write_atlas(tmp_path, lambda done, total: None)
    assert [path.name for path in tmp_path.iterdir()] == ["uncoded.png"]
    (tmp_path / "all-schemes.png").write_bytes(b"ours")
    counted: list[int] = []

    def progress(done: int, total: int) -> None:
        counted.append(total)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atlas(tmp_path, progress)
    assert counted == [1 + len(SCHEMES)]


@pytest.mark.slow
def test_the_pictures_are_those_of_the_registry(tmp_path: Path) -> None:
    """To the pixel with the pinned matplotlib; how a file is packed does not matter.

    The comparison has numbers of a library of linear algebra, which rounds as the machine does.
    """
    pinned = f"matplotlib=={version('matplotlib')}"
    if pinned not in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        pytest.skip("another matplotlib draws other pixels")
    write_atlas(tmp_path, lambda done, total: None)
    for name in SCHEMES:
        folders = tmp_path, DOCS / "atlas"
        made, kept = (Image.open(folder / f"{name}.png").convert("RGB") for folder in folders)
        assert made.size == kept.size, f"{name}; {REMEDY}"
        assert made.tobytes() == kept.tobytes(), f"{name}; {REMEDY}"
