"""The paper's claims: verdicts from planted tables, in which each holds, fails, or is open."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.config.cells import resolved
from erasurehead.experiments.config.document import read_mapping, write_yaml
from erasurehead.experiments.reproduce import claims, figure_named, figure_with
from erasurehead.experiments.reproduce.base import Effort, crossing
from erasurehead.experiments.reproduce.claims import (
    CLAIM_FIGURES,
    CLAIMS,
    Claim,
    ClaimVerdict,
    Finding,
    Judgement,
    Quantity,
    mean_ratio,
    shared_settings,
    verdicts,
)
from erasurehead.experiments.reproduce.command import (
    judged_claims,
    kept_figures,
    make,
    make_figures,
    read_reproduction,
)
from erasurehead.experiments.reproduce.request import ReproduceRequest
from tests.experiments.reports.results import Reader
from tests.tools import ROOT, inside, undrawn

ALL = ("uncoded", "cyclic_repetition", "fractional_repetition", "erasurehead")


def tolerance(ours: list[float], cyclic: list[float], fractional: list[float]) -> pd.DataFrame:
    """Shares of rounds that wait for one of 0, 2 and 4 stragglers, of 8 workers."""
    shares = {"erasurehead": ours, "cyclic_repetition": cyclic, "fractional_repetition": fractional}
    rows = [
        {"scheme": scheme, "stragglers": 2 * i, "waits": waits, "rounds": 400, "workers": 8}
        | {"late": 10.0, "simulated": 1.0 + waits, "standard_error": 0.1, "theory": 1.0}
        | {"error": 0.125 if scheme == "erasurehead" else waits, "error_se": 0.01}
        for scheme, each in shares.items()
        for i, waits in enumerate(each)
    ]
    return pd.DataFrame(rows)


def curves(excess: float, ratio: float, charged: float = 1.0) -> pd.DataFrame:
    """Of r = 4 of 8 on both data sets: a and the floor, and this many times the iterations of full
    descent to each loss; 1.5 times as many where the step is not divided."""
    facts = {"load": 2, "heard": 0.8, "floor": 2e-4, "excess": excess, "charged": charged}
    rows = [
        facts | {"kind": "ratio", "dataset": name, "step": step, "arrivals": 4, "replications": 9}
        | {"floors": floors, "ratio": ratio * by}
        for name, (step, by) in product(("synthetic", "diabetes"), STEPS.items())
        for floors in (1000.0, 10.0, 2.0)
    ]  # fmt: skip
    full = {"kind": "loss", "dataset": "synthetic", "step": "divided by p", "arrivals": 8}
    return pd.DataFrame([full, *rows])


STEPS = {"divided by p": 1.0, "not divided": 1.5}


def runtime(**seconds: float) -> pd.DataFrame:
    """Mean seconds of ErasureHead under each law; those of uncoded are 2."""
    rows = [
        {"load_law": law, "scheme": scheme, "workers": 8, "simulated": mean}
        | {"standard_error": 0.01 * mean, "rounds": 100}
        for law, ours in seconds.items()
        for scheme, mean in (("uncoded", 2.0), ("erasurehead", ours))
    ]
    return pd.DataFrame(rows)


def races(ours: float, reach: int = 8, replayed: float = 1.0) -> pd.DataFrame:
    """Eight runs of eight iterations on a data set, uncoded's and the codes' of 2 seconds each;
    ErasureHead's with its step divided by p take half of its own. On the authors' delays, one run,
    ErasureHead's take ``replayed`` seconds."""
    own = {"exponential": ours, "authors_stream": replayed}
    rows = [
        {"dataset": "diabetes", "delays": delays, "left_out": "", "scheme": scheme}
        | {"replication": r, "iteration": t, "time": (1 + 0.01 * r) * t * seconds}
        | {"train_loss": 1.0 if scheme.startswith("erasure") and r >= reach else 1 / (1 + t)}
        for delays, mine in own.items()
        for scheme, seconds in zip((*ALL, "erasurehead_divided"), (2.0, 2.0, 2.0, mine, mine / 2),
                                   strict=True)
        for r, t in product(range(8 if delays == "exponential" else 1), range(9))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def settings(ratio: float) -> pd.DataFrame:
    """Speed-ups at other loads: this one over fractional repetition at d = 6, 2 elsewhere."""
    rows = [
        {"load_law": "additive", "work": 0.5, "load": load, "scheme": scheme}
        | {f"speedup{end}": by * value for end, by in (("", 1), ("_low", 0.99), ("_high", 1.01))}
        for load, scheme in product((2, 6), ALL[:3])
        for value in [ratio if (load, scheme) == (6, ALL[2]) else 2.0]
    ]
    return pd.DataFrame(rows)


NEVER, ALWAYS = [0.0] * 3, [0.0, 1.0, 1.0]


def charged(more: float, **seconds: float) -> dict[str, pd.DataFrame]:
    """Seconds of a round, and so many times the iterations until full descent is at the floor."""
    return {"iteration_time_workers": runtime(**seconds), "claim_b_curve": curves(0.1, 1.2, more)}


def everywhere(ours: float, other: float, replayed: float = 1.0) -> dict[str, pd.DataFrame]:
    """No evidence of (d) is missing: all data sets, and other loads."""
    real = races(ours, replayed=replayed).assign(rows=9, features=2, part="")
    both = [real.assign(dataset=name) for name in ("amazon", "covertype", "kc_housing")]
    frames = {"loss_time": races(ours, replayed=replayed), "speedup": settings(other)}
    return frames | {"loss_time_real": pd.concat(both, ignore_index=True)}


PLANTED: dict[str, tuple[str, Judgement, dict[str, pd.DataFrame], str]] = {
    "a": ("a", Judgement.HOLDS, {"delay_tolerance": tolerance(NEVER, ALWAYS, ALWAYS)},
          "With 4 of 8 workers 10 s late, ErasureHead waits for one of them in 0 % of the rounds"),
    "a fails": ("a", Judgement.FAILS, {"delay_tolerance": tolerance(ALWAYS, NEVER, NEVER)},
                "against cyclic repetition in 2 of 3 settings, all with stragglers = 2, 4: -1"),
    "a as late": ("a", Judgement.OPEN, {"delay_tolerance": tolerance(NEVER, NEVER, NEVER)},
                  "It waits as often as both with 0, 2, 4 stragglers"),
    "a in part": ("a", Judgement.PARTLY,
                  {"delay_tolerance": tolerance([0, 0, 1], [0, 1, 1], NEVER)},
                  "fractional repetition in 1 of 3 settings, all with stragglers = 4: -1"),
    "c": ("c", Judgement.HOLDS, charged(1.0, additive=1.0),
          "With 8 workers, 2.00 (1.95 to 2.06) (additive law) times as fast as uncoded, with 1.00"),
    "c fails": ("c", Judgement.FAILS, charged(1.0, additive=4.0),
                "Fails in 2 of 2 settings: 0.5 times as fast as uncoded"),
    "c in part": ("c", Judgement.PARTLY, charged(1.0, proportional=3.0, additive=1.0),
                  "2 of 4 settings, all with proportional law: 0.667 times as fast as uncoded"),
    "c as fast": ("c", Judgement.OPEN, charged(1.0, additive=2.0), "1.00 (0.97"),
    "c by iterations": ("c", Judgement.FAILS, charged(1.7, additive=1.6),
                        "1.70 times the iterations charged to it"),
    "c by rounds alone": ("c", Judgement.OPEN,
                          {"iteration_time_workers": runtime(additive=1.0)},
                          "Left out: iterations to a loss: run the figure claim_b_curve, too"),
    "d": ("d", Judgement.HOLDS, everywhere(1.0, 1.5),
          "Diabetes (least squares), times as fast to the target loss: 2.00 (2.00 to 2.00) as"),
    "d both ways": ("d", Judgement.HOLDS, everywhere(1.0, 1.5),
                    "with its step divided by p, as in (b): 4.00 (4.00 to 4.00), 4.00"),
    "d fails": ("d", Judgement.FAILS, {"loss_time": races(4.0)},
                "Fails against uncoded in 1 of 2 settings, all with step as the others': 0.5"),
    "d in part": ("d", Judgement.PARTLY, everywhere(1.0, 0.9),
                  "against fractional repetition in 1 of 2 settings, all with d = 6: 0.9 times"),
    "d alone": ("d", Judgement.PARTLY, {"loss_time": races(1.0)},
                "Left out: other loads, load laws and work: run the figure speedup, too"),
    "d without the authors' data": ("d", Judgement.PARTLY,
                                    {"loss_time": races(1.0), "speedup": settings(1.5)},
                                    "KC House Sales (least squares): no folder with its"),
    "d misses": ("d", Judgement.OPEN, {"loss_time": races(1.0, reach=5)},
                 "2.00 (0.00 to 2.00) as fractional repetition; 3 runs of ErasureHead without it"),
    "d by the authors' delays": ("d", Judgement.PARTLY, everywhere(1.0, 1.5, replayed=2.5),
                                 "settings, all with step as the others': 0.8 times as fast to"),
    "d never": ("d", Judgement.FAILS, {"loss_time": races(1.0, reach=0).query(
                    "scheme != 'erasurehead_divided'")},
                "1 of 1 settings: 0 times as fast to the target loss"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLANTED)
def test_a_verdict_is_what_the_table_says(case: str) -> None:
    """Catches a verdict that is a constant, an inverted ratio, a limit on the wrong side, a mean
    without its interval, and survivors that win."""
    letter, code, frames, said = PLANTED[case]
    found = {claim.letter: (claim, verdict) for claim, verdict in verdicts(frames)}
    claim, verdict = found[letter]
    assert claim.heading(verdict).endswith(f": {code}")
    assert said in " ".join(claim.sentences(verdict))
    failed = any(f.code is Judgement.FAILS for f in verdict.findings)
    assert ("Fails" in " ".join(claim.sentences(verdict))) is failed
    plain = json.loads(json.dumps(claim.as_plain(verdict), allow_nan=False))
    assert plain["verdict"] == code
    assert {each["verdict"] for each in plain["findings"]} == {f.code for f in verdict.findings}


def sentences_of(frame: str, table: pd.DataFrame) -> str:
    [(claim, verdict)] = verdicts({frame: table})
    return f"{claim.heading(verdict)}. {' '.join(claim.sentences(verdict))}"


def test_what_the_table_does_not_bear_out_is_not_said() -> None:
    """A price of those who always wait, equal shares that are neither never nor always, and ends of
    an interval that one run does not have."""
    half = [0.5] * 3
    assert "its price" not in sentences_of("delay_tolerance", tolerance([1.0] * 3, ALWAYS, ALWAYS))
    assert "its price" not in sentences_of("delay_tolerance", tolerance(half, half, half)).lower()
    assert "never, or always" not in sentences_of("delay_tolerance", tolerance(half, half, half))
    text = sentences_of("loss_time", races(1.0).query("replication == 0"))
    assert "Is not decided against uncoded in 2 of 2 settings" in text
    assert "nan" not in text
    assert "inf " not in text
    assert "2.00 as uncoded" in text


def test_what_is_equal_in_every_run_is_neither_for_nor_against() -> None:
    """Without stragglers nobody waits; a share that may be 0 is not decided, and stays so."""
    same, open_ = (
        Finding(Quantity.WAITS, {}, (0, 0, 0), 0),
        Finding(Quantity.WAITS, {}, (0, -1, 1), 0),
    )
    holds = Finding(Quantity.WAITS, {}, (1, 1, 1), 0)
    assert (same.code, open_.code) == (Judgement.SAME, Judgement.OPEN)
    assert ClaimVerdict([holds, same]).code is Judgement.HOLDS
    assert ClaimVerdict([holds, open_]).code is Judgement.PARTLY
    assert ClaimVerdict([same, open_]).code is Judgement.OPEN
    assert ClaimVerdict([holds], left_out={"a set": "it is not here"}).code is Judgement.PARTLY


def test_claim_b_is_a_statement_and_a_curve() -> None:
    """Each r, both ways, with the numbers of the table; whatever they are, there is no verdict."""
    for excess, ratio in ((0.061, 1.03), (9.0, 70.0)):
        [(claim, verdict)] = verdicts({"claim_b_curve": curves(excess, ratio)})
        assert verdict.code is None
        assert claim.heading(verdict) == (
            "(b) As quick as distributed GD, down to a small noise floor: until full descent "
            f"itself is at the noise floor, the mean loss is at most {1 + excess:.2f} times full "
            f"descent's plus 0.0002 of the start (synthetic), {1 + excess:.2f} times full "
            "descent's plus 0.0002 of the start (diabetes), with r = 4 of 8"
        )
        words = " ".join(claim.sentences(verdict))
        assert f"a and floor are {excess:.3f} and 0.0002 with r = 4" in words
        assert f"the step divided by p, it needs {ratio:.2f}, –, {ratio:.2f}, –" in words
        assert f"the step not divided, it needs {1.5 * ratio:.2f}, –," in words
        plain = json.loads(json.dumps(claim.as_plain(verdict), allow_nan=False))
        assert "verdict" not in plain
        assert plain["curve"][0]["iterations"] == [ratio] * 3


def test_no_constant_of_the_claims_moves_what_b_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a number that a result of (b) is held to."""
    frames = {"claim_b_curve": curves(0.1, 1.2), **everywhere(1.0, 1.5)}
    del frames["loss_time"], frames["speedup"]

    def said() -> tuple[str, list[str]]:
        [(claim, verdict), *_] = verdicts(frames)
        assert claim.letter == "b"
        return claim.heading(verdict), claim.sentences(verdict)

    before, changed = said(), 0
    for name, value in vars(claims).items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            for other in (0.01 * value, 100 * value + 1):
                with monkeypatch.context() as patch:
                    patch.setattr(claims, name, type(value)(other))
                    assert said() == before, name
            changed += 1
    assert changed >= 1


def test_an_interval_is_on_one_side_or_not_decided() -> None:
    for low, high, above, below in (
        (1.1, 1.2, Judgement.HOLDS, Judgement.FAILS),
        (0.8, 0.9, Judgement.FAILS, Judgement.HOLDS),
        (0.9, 1.1, Judgement.OPEN, Judgement.OPEN),
        (1.0, 1.1, Judgement.OPEN, Judgement.OPEN),
        (np.nan, np.nan, Judgement.OPEN, Judgement.OPEN),
    ):
        interval = ((low + high) / 2, low, high)
        assert Finding(Quantity.WAITS, {}, interval, 1.0).code is above
        assert Finding(Quantity.WAITS, {}, interval, 1.0, above=False).code is below


def test_settings_are_named_by_what_sets_them_apart() -> None:
    every = [
        Finding(Quantity.WAITS, {"law": law, "n": n}, (1, 1, 1), 1)
        for law, n in product(("a law", "b law"), (100.0, 20.0, 3.0))
    ]
    assert shared_settings(every, every) == ""
    assert shared_settings(every[4:], every) == ", all with b law, n = 3, 20"
    assert shared_settings([every[0], every[3]], every) == ", all with n = 100"


def test_when_a_curve_is_first_at_a_level() -> None:
    losses = 0.5 ** np.arange(6.0)
    assert crossing(losses, 0.5**2.5) == pytest.approx(2.5)
    assert crossing(losses, 0.25) == pytest.approx(2.0)
    assert crossing(losses, 2.0) == 0.0
    assert crossing(losses, 1e-9) == np.inf
    assert np.isnan(crossing(losses * np.nan, 0.5)), "what is not known is not late"
    assert mean_ratio((2.0, 0.0), (1.0, 0.0)) == (2.0, 2.0, 2.0)
    middle, low, high = mean_ratio((2.0, 0.06), (1.0, 0.04))
    assert np.log([high / middle, middle / low]) == pytest.approx([1.96 * 0.05] * 2)


FEW = {
    "delay_tolerance": ["stragglers=0,15", "rounds=200"],
    "claim_b_curve": ["arrivals=15", "replications=8"],
    "iteration_time_workers": ["workers=12,48", "rounds=200"],
    "loss_time": ["iterations=20", "replications=3"],
    "speedup": ["loads=3", "iterations=20", "replications=3"],
}


@undrawn()
def test_page_summary_and_terminal_begin_with_the_claims(tmp_path: Path) -> None:
    """All say the verdicts of the tables; a table in which a claim fails changes all of them. Real
    workers stand beside their simulation, unless they ran another config."""
    asked = ReproduceRequest(output=tmp_path, format_="svg", set_=FEW["delay_tolerance"])
    for name in FEW:
        changed = ReproduceRequest(output=tmp_path, format_="svg", set_=FEW[name])
        make(Effort(), changed, figure_with(name, FEW[name]))
    file = tmp_path / "iteration_time_workers.parquet"
    frame = pd.read_parquet(file)
    slow = frame["scheme"] == "erasurehead"
    frame.assign(simulated=frame["simulated"].where(~slow, 99.0)).to_parquet(file)
    (tmp_path / ".erasurehead").touch()
    index, lines = make_figures(["delay_tolerance"], asked)
    claims = judged_claims(tmp_path, kept_figures(tmp_path))
    headings = [claim.heading(verdict) for claim, verdict in claims]
    assert [line for line in lines if line.startswith("(")] == headings
    assert headings[2] == "(c) Faster overall runtime: fails"
    assert any("Left out: Amazon Employee Access" in line for line in lines)
    found = json.loads((tmp_path / "claims.json").read_text())
    assert found[3]["left_out"]["Covertype (logistic)"].startswith(
        "no folder with its file was given"
    )
    assert [each["claim"] for each in found] == ["a", "b", "c", "d"]
    summary = " ".join((tmp_path / "summary.md").read_text().split())
    headed = [summary.index(f"## {heading}") for heading in ("The question", *headings)]
    assert headed == sorted(headed)
    page = Reader(index.read_text())
    for claim, verdict in claims:
        for text in (claim.heading(verdict), claim.quote, *claim.sentences(verdict)):
            assert text in summary
            assert text in page.words
        assert f"]({claim.figures[0]}.svg)" in summary
        assert f"    {claim.sentences(verdict)[0]}" in lines
    assert "(c) fails" in read_reproduction(tmp_path).answer.verdict
    ids = [each.get("id") for each in page.all("h2")]
    assert [each for each in ids if each and each.startswith("claim-")] == ids[-6:-2]
    live = measured(tmp_path)
    [_, _, _, (claim, verdict)] = judged_claims(tmp_path, kept_figures(tmp_path))
    [said] = [each for each in claim.sentences(verdict) if each.startswith("Real workers")]
    assert "times as fast in 20 rounds: 4.00 (" in said
    assert "as uncoded (simulated " in said
    config = live / "config.yaml"
    config.write_text(config.read_text().replace("iterations: 20", "iterations: 21"))
    [_, _, _, (claim, verdict)] = judged_claims(tmp_path, kept_figures(tmp_path))
    assert not any(each.startswith("Real workers") for each in claim.sentences(verdict))


def measured(folder: Path) -> Path:
    """What ``live`` leaves of the config in the folder: uncoded four times as slow as others."""
    rows: list[dict[str, Any]] = []
    document = read_mapping(folder / "live.yaml")
    for scheme in document["schemes"]:
        name = scheme["name"]
        seconds = 4.0 if name == "uncoded" else 1.0
        rows += [{"scheme": name, "iteration": t, "iteration_time": seconds} for t in range(21)]
    live = folder / "live"
    live.mkdir()
    pd.DataFrame(rows).to_parquet(live / "iterations.parquet")
    (live / "config.yaml").write_text(write_yaml(resolved(document)))
    return live


def test_only_the_papers_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their figures and no other; with names of figures it is refused, and nothing is written."""
    done = inside("reproduce", "speedup", "--only-paper", "--output", tmp_path / "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: --only-paper: ")
    assert not (tmp_path / "out").exists()
    made = []
    place = "erasurehead.experiments.reproduce.command"
    monkeypatch.setattr(f"{place}.make", lambda effort, asked, figure, share: made.append(figure))
    with pytest.raises(Exception, match="holds no figure"):
        make_figures([], ReproduceRequest(output=tmp_path / "out", only_paper=True))
    assert {figure.name for figure in made} == {*CLAIM_FIGURES} - {"loss_time_real"}
    assert {claim.figures[0] for claim in CLAIMS} < {*CLAIM_FIGURES}
    assert isinstance(CLAIMS[0], Claim)
    assert ClaimVerdict([]).code is Judgement.OPEN


SECTION = (
    (ROOT / "README.md").read_text().partition("## The paper's claims")[2].partition("\n## ")[0]
)


def test_the_section_of_the_readme_is_short_and_has_the_kept_numbers() -> None:
    """Of the authors' data sets those that the kept ``claims.json`` and ``data.json`` have."""
    words = re.sub(r"```.*?```|\]\(.*?\)|[|*:`-]", " ", SECTION, flags=re.DOTALL).split()
    assert len([word for word in words if re.search(r"\w", word)]) <= 130
    kept = ROOT / "results" / "reference"
    *_, d = json.loads((kept / "claims.json").read_text())
    for record in json.loads((kept / "data.json").read_text()).values():
        line = next(line for line in SECTION.splitlines() if f"{record['rows']:,} ×" in line)
        assert f"{record['features']:,}" in line
        ratios = [
            each["value"]
            for each in d["findings"]
            if each["what"] == Quantity.SOONER
            and each["where"]["data"] == record["title"]
            and each["where"]["step"] == "step as the others'"
        ]
        assert f"{ratios[0]:.2f}, {min(ratios[1:]):.2f}" in line


@pytest.mark.slow
def test_the_readme_has_the_verdicts() -> None:
    """Of the figures at their default sizes: each claim's line, and the numbers in it."""
    names = [name for name in CLAIM_FIGURES if name != "loss_time_real"]
    frames = {name: figure_named(name).compute(Effort()) for name in names}
    a, b, c, d = (verdict for _, verdict in verdicts(frames))
    [lost] = a.of(Quantity.LACKS)
    [row] = (each for each in b.curve if each["data"] == "Synthetic" and each["r"] == 15
             and each["step"] == "divided by p")  # fmt: skip
    slow = {
        data: max(
            each.where["n"]
            for each in c.of(Quantity.RUNTIME, data=data)
            if each.code is Judgement.FAILS
        )
        for data in ("Synthetic", "Diabetes")
    }
    least = min(each.interval[0] for each in d.of(Quantity.REPLAYED))
    told = (
        f"holds: {a.facts['most']} late workers are never waited for; "
        f"{100 * lost.interval[0]:.0f} % of partitions are missing",
        f"loss ≤ {1 + row['a']:.2f} × full descent's + floor ({row['floor']:.1e} of the first)",
        f"slower than uncoded up to {slow['Synthetic']:g} workers "
        f"({slow['Diabetes']:g} on diabetes)",
        f"on diabetes {least:.2f} × a code's speed",
    )
    for text in told:
        assert text.replace("e-0", "e-") in SECTION
    assert (a.code, b.code) == (Judgement.HOLDS, None)
    assert (c.code, d.code) == (Judgement.PARTLY, Judgement.PARTLY)
