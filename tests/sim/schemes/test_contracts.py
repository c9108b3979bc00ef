"""Every scheme keeps what all must keep, and the suite finds those that do not.

Speaks to parts of the suite's checks: scores, what a refusal names, which refusals are looked for.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from scipy import sparse

from erasurehead import ConfigError, testing
from erasurehead.experiments.checks.conformance import SchemeUnderTest, codes, rounds
from erasurehead.load_laws import PerPartition
from erasurehead.plugins import (
    CoverPartitions,
    Encoded,
    Fixed,
    Independent,
    InvalidParameter,
    OnePerPartition,
    Pieces,
)
from erasurehead.schemes import SCHEMES, SchemeFamily
from erasurehead.stopping import FirstK
from erasurehead.testing import CHECKS
from tests.golden.records import require_recorded
from tests.sim.engines.agreement import arrays, both_finish
from tests.sim.schemes.wrong import Exactly, Wrong
from tests.tools import LatticeTape

# Every registered scheme passes the conformance suite: its line in the registry is enough.
#
# What is particular to one part or family is tested in ``tests/sim/schemes``; that each check can
# fail, in ``tests/sim/schemes/test_contracts.py``.


def fields_of(family: Any) -> dict[str, Any]:
    return {field.name: getattr(family, field.name) for field in dataclasses.fields(family)}


WORKERS = 12
FIRST = [cls.examples()[0] for cls in SCHEMES.values()]
OTHERS = [family for cls in SCHEMES.values() for family in cls.examples()[1:]]
EXAMPLES = FIRST + OTHERS


def thirty(family: SchemeFamily) -> bool:
    """Whether it is an exact code for 30 workers as well."""
    try:
        return bool(family.build(30).guarantees.tolerates)
    except InvalidParameter:
        return False


LARGE = [family for family in EXAMPLES if thirty(family)]
LARGE.append(SCHEMES["heterogeneity_aware"](load=3, speeds=(1, 2, 4) * 10, partitions=60))


@pytest.mark.parametrize("name", SCHEMES)
def test_registry_names_match(name: str) -> None:
    assert SCHEMES[name].name == name
    assert SCHEMES[name].examples(), "a scheme without examples is not tested"


# fields that are whole numbers and may be 0
PERHAPS_NONE = {"ahead", "burn_in", "code_seed", "stragglers", "threshold"}


@pytest.mark.parametrize("family", EXAMPLES, ids=repr)
def test_bad_numbers_are_refused(family: SchemeFamily) -> None:
    """Of every field that is a number, in one line that names it; YAML's yes is not 1, and 3.0 is 3
    as everywhere in a config."""
    for name, value in fields_of(family).items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        wrong: list[object] = [True, False, -1, -0.5, np.nan, "many", [value, value]]
        if isinstance(value, int):
            assert dataclasses.replace(family, **{name: float(value)}) == family
            wrong += [0.5, *[0] * (name not in PERHAPS_NONE)]
        else:
            wrong += [np.inf, *[0.0] * (name in ("deadline", "patience"))]
        for bad in wrong:
            with pytest.raises(ConfigError) as refused:
                dataclasses.replace(family, **{name: bad})
            assert str(refused.value).startswith(f"{type(family).__name__}.{name}")
            assert "\n" not in str(refused.value)


@pytest.mark.parametrize("family", FIRST, ids=repr)
def test_conformance(family: SchemeFamily) -> None:
    assert list(testing.check_scheme(family, WORKERS)) == list(CHECKS)


def dear(family: SchemeFamily) -> list[str]:
    """Checks that take seconds, of which an example of the same kind stays in the quick suite."""
    decodable = "DecodableWithin" in repr(family) and family.name != "matrix"
    slow = {"engines": True, "unbiased": family.name == "speculative", "stopping": decodable}
    return [name for name in CHECKS if slow.get(name)]


@pytest.mark.one_in(8)
@pytest.mark.parametrize("family", OTHERS, ids=repr)
def test_conformance_of_further_examples(family: SchemeFamily) -> None:
    testing.check_scheme(
        family, WORKERS, only=[name for name in CHECKS if name not in dear(family)]
    )


@pytest.mark.slow
@pytest.mark.parametrize("family", OTHERS, ids=repr)
def test_dear_checks_of_further_examples(family: SchemeFamily) -> None:
    testing.check_scheme(family, WORKERS, only=dear(family))


@pytest.mark.parametrize("family", LARGE, ids=repr)
def test_exact_codes_of_thirty_workers(family: SchemeFamily) -> None:
    """2,000 random patterns of stragglers, or all of them where they are few."""
    assert "stragglers" in testing.check_scheme(family, 30, only=["exactness"])["exactness"]


@pytest.mark.golden
def test_no_scheme_guarantees_less_than_before() -> None:
    """A guarantee that is withdrawn is no longer checked by anything: what each example promises is
    recorded, so that a promise can be given up on purpose only."""
    promised = {}
    for name, family in SCHEMES.items():
        built = [example.build(12) for example in family.examples()]
        promised[name] = [f"exact={scheme.exact}, {scheme.guarantees}" for scheme in built]
    require_recorded("guarantees/registry", {"promised": promised})


def test_every_kind_of_guarantee_is_checked() -> None:
    """Catches a suite that passes because nobody guarantees anything."""
    guarantees = [family.build(WORKERS).guarantees for family in EXAMPLES]
    for field in ("copies", "tolerates", "unbiased"):
        assert sum(getattr(each, field) is not None for each in guarantees) >= 20, field
    assert len(LARGE) >= 10


def test_one_worker_cluster_decodes() -> None:
    """Whoever accepts n = 1 needs no more than one of anything."""
    for family in EXAMPLES:
        try:
            scheme = family.build(1)
        except InvalidParameter:
            continue
        if isinstance(scheme, Fixed):
            needs = max(getattr(family, name, 1) or 1 for name in ("load", "wait_for", "at_least"))
            assert needs == 1
            arrived = np.ones((1, scheme.assignment.messages), dtype=bool)
            assert scheme.decoder.partition_weights(arrived).shape == (1, 1)


def test_large_fractional_repetition_stays_sparse() -> None:
    """100,000 workers: nothing of size n x n may be made."""
    scheme = SCHEMES["erasurehead"](load=5, wait_for=50_000).build(100_000)
    assert scheme.assignment.encoding.nnz == 500_000


# Every check can fail, and ``erasurehead.testing`` says why in one line; right plugins pass.


PLUGINS = Path(__file__).parents[2] / "package" / "plugins"


def test_what_is_right_passes() -> None:
    """Catches a check that refuses everybody."""
    found = testing.check_scheme(Wrong(), 12)
    assert list(found) == list(testing.CHECKS)
    assert found["loads"] == "mean load 3, 3 copies of each partition"
    assert "66 patterns of 2 stragglers" in found["exactness"]
    assert found["engines"] == "equal to the bit"


@pytest.mark.parametrize(
    ("how", "check", "says"),
    [
        ("mutable", "values", "Mutable can be changed"),
        ("underpaid", "loads", "worker 0 declares a load of 2; its rows of B hold 3 of 12"),
        ("copies", "loads", "claims 4 copies; partition 0 is held by 3 workers"),
        ("doubling", "decoding", "away from decoding_vector @ B"),
        ("unpaid", "loads", r"loads has shape \(11,\), not \(12,\)$"),
        ("crowd", "loads", "has 24 workers$"),
        ("flat", "decoding", "decoding_vector of a table is 1 off its rows'$"),
        ("renamed", "values", "the scheme is called other, not wrong$"),
        ("timed", "exactness", "claims to be exact, but a deadline can end its rounds$"),
        ("never", "stopping", "does not stop when all have arrived$"),
        ("column", "stopping", r"stopping_delay has shape \(200, 1\)$"),
        ("late", "stopping", r"its state stops at \S+ s, stopping_delay says \S+ s$"),
        ("fickle", "stopping", "the state of the stopping rule takes back a yes$"),
        ("short", "decoding", r"decoding_vector has shape \(300, 11\)$"),
        ("narrow", "decoding", r"partition_weights has shape \(300, 11\), not \(300, 12\)$"),
        ("deaf", "decoding", "the decoder weighs a message that has not arrived$"),
        ("lost", "values", "Lost cannot be pickled$"),
        ("travelling", "values", "a pickled family is another one$"),
        ("inexact", "exactness", "claims to be exact; weights are at most 1.0e.00 away from 1"),
        ("modest", "exactness", "says that it is not exact"),
        ("tolerant", "exactness", r"claims to tolerate 3 stragglers, but waits for \[0, 1, 2\]"),
        ("lossy", "exactness", "claims to be exact; weights are"),
        ("claimant", "exactness", "tolerate 3 stragglers; weights are at most 1.0e.00 away from 1"),
        ("zero", "stopping", "stopping_delay differs from what enough says$"),
        ("biased", "unbiased", "claims to be unbiased; partition"),
        ("mean", "error", "its claim says 1.5"),
        ("bound", "error", "is above its claim 2.5"),
        ("unseeded", "values", r"build\(\) gives another code each time: draw from a seed$"),
        ("scalar", "stopping", r"one truth value per row; of 400 rows it returns bool \(\)"),
        ("hasty", "stopping", "stopping_delay differs from what enough says"),
        ("contrary", "stopping", "with later messages"),
        ("hasty", "engines", "engines differ in times under cancel, proportional"),
        ("silent", "refusals", "and names no value that works"),
        ("far", "refusals", "and names 1; [23] is nearer and accepted"),
        ("refused", "refusals", "again, with the value that it has named"),
    ],
)
def test_each_check_can_fail(how: str, check: str, says: str) -> None:
    with pytest.raises(testing.Nonconforming, match=f"^wrong, {check}: .*{says}") as error:
        testing.check_scheme(Wrong(how=how), 12, only=[check])
    assert "\n" not in str(error.value)
    assert error.value.__suppress_context__


def test_loads_without_an_encoding_matrix_are_one_for_each_worker() -> None:
    """Numbers of at least 0, as the first round plans them."""
    for loads, says in (
        (np.ones(11), "plans 11 loads"),
        (np.array([1.0] * 11 + [np.inf]), "plans a load that is no number"),
        (np.array([1.0] * 11 + [-1.0]), "plans a load that is no number"),
    ):
        tested = SimpleNamespace(scheme=SimpleNamespace(workers=12), workers=12, fixed=None)
        tested.rounds, tested.first_round = object(), lambda of=loads: SimpleNamespace(loads=of)
        with pytest.raises(testing.Nonconforming, match=says):
            CHECKS["loads"](cast(Any, tested))
    tested.first_round = lambda: SimpleNamespace(loads=np.arange(12.0))
    assert CHECKS["loads"](cast(Any, tested)) == "mean load 5.5"


@pytest.mark.parametrize(
    ("field", "value", "valid", "nearest", "says"),
    [
        ("speed", 5, "nearest: 4", {"load": 4}, "it has no field speed"),
        ("load", 5, "must\n be; nearest: 4", {"load": 4}, "in more than one line"),
        ("load", 5, "must be another", None, "and names no value that works: give nearest"),
        ("load", 5, "nearest: 40", {"load": 4}, "its message does not name load = 4"),
        ("load", 5, "nearest: 14", {"load": 4}, "its message does not name load = 4"),
        ("load", 5, "nearest: 4", {"load": 4}, None),
        ("load", True, "must be a number", None, None),
        ("load", "x", "must be a number", None, None),
        ("load.part", 5, "must be another", {"load": 9}, None),
        ("load", 7, "nearest: 4", {"load": 4}, "and names 4; 6 is nearer and accepted"),
    ],
)
def test_what_a_refusal_must_name(field, value, valid, nearest, says):
    """A field of the family and, of a number, one that works and that its line shows."""
    error = InvalidParameter(field, value, valid, nearest)
    if says is None:
        rounds._named(Wrong(), 12, error)
    else:
        with pytest.raises(testing.Nonconforming, match=says):
            rounds._named(Wrong(), 12, error)


def test_what_is_too_rare_to_be_seen_is_no_bias() -> None:
    """Catches a trial that fails once in 8,000, in none of 10,000: it weighs 1.00012, always."""
    patient = SCHEMES["mindflayer"](trials=1, patience=9.0)
    found = testing.check_scheme(patient, 1, only=["unbiased"])["unbiased"]
    assert "unbiased: largest |z| 0.00" in found


def test_claims_of_unbiased_sums_need_sums() -> None:
    """One chance for each worker, and rounds to which the chances belong."""
    for chances, says in ((11, "claims 11 chances"), (12, "of rounds, but has none")):
        guarantees = SimpleNamespace(unbiased=Independent((0.5,) * chances))
        tested = SimpleNamespace(
            scheme=SimpleNamespace(guarantees=guarantees), workers=12, rounds=None
        )
        with pytest.raises(testing.Nonconforming, match=says):
            CHECKS["unbiased"](cast(Any, tested))


def test_scores_of_weights_by_hand() -> None:
    """A weight that never varies has the error of all; where none does, it is 1 or is not."""
    one, two = np.ones(4), np.full(4, 2.0)
    np.testing.assert_array_equal(codes._z(np.column_stack([one, two])), [0.0, np.inf])
    varied = np.array([0.0, 1.0, 2.0, 3.0])
    error = np.std(varied, ddof=1) / 2
    z = codes._z(np.column_stack([varied, two]))
    np.testing.assert_allclose(z, [0.5 / error, 1.0 / (error / np.sqrt(2))])


def test_refusals_are_looked_for_among_small_numbers_and_those_around_all_workers() -> None:
    """Of each field that is a whole number; and of clusters of every size up to 33."""
    tried = [*rounds._variations(SchemeUnderTest(Wrong(how="3"), 12))]
    own, others = tried[:35], tried[35:]
    assert [workers for _, workers in own] == [*range(1, 34), 64, 12]
    assert {family for family, _ in own} == {Wrong(how="3")}
    assert {workers for _, workers in others} == {12}
    assert [cast(Wrong, f).load for f, _ in others] == [1, 2, 3, 4, 5, 7, 11, 12, 13, 36]


def test_a_rule_that_takes_its_yes_back_names_the_workers() -> None:
    """Six of the twelve are enough for it, seven are not."""
    with pytest.raises(testing.Nonconforming) as error:
        testing.check_scheme(Wrong(how="exactly"), 12, only=["stopping"])
    text = r"wrong, stopping: stops when workers \[(.*)\] have arrived, and not when (\d+) has "
    found = re.fullmatch(f"{text}arrived as well", str(error.value))
    workers = {*map(int, found[1].split(", ")), int(found[2])}
    assert len(workers) == 7
    assert workers < {*range(12)}


def test_who_takes_a_yes_back_is_a_worker_or_a_message() -> None:
    """The first of those that come after who was enough."""
    first, more = np.array([True, True, False, False]), np.ones(4, dtype=bool)
    for workers, who in ((4, "workers"), (2, "messages")):
        text = rounds._undone(Exactly(2), first, more, workers)
        assert text == f"stops when {who} [0, 1] have arrived, and not when 2 has arrived as well"
    few = np.array([True, False, False, True])
    assert "when workers [1] have arrived, and not when 0" in rounds._undone(Exactly(1), ~more | [
        False, True, False, False
    ], few | [False, True, False, False], 4)  # fmt: skip


def test_a_claimed_largest_error_is_told_beside_the_bound() -> None:
    """Twelve workers in groups of three, of whom six are heard: two groups may be lost."""
    found = testing.check_scheme(Wrong(how="least"), 12, only=["error"])["error"]
    assert "largest 6, claim 6; " in found


def test_twelve_workers_are_taken_unless_another_number_is_given() -> None:
    found = testing.check_scheme("fractional_repetition", load=4, only=["loads"])
    assert found == {"loads": "mean load 4, 4 copies of each partition"}


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("failing", r"^wrong, stopping: KeyError: 'arrived\\nhere'$"),
        ("unbuilt", r"^wrong: Wrong cannot be built for 12 workers: KeyError: 'missing'$"),
    ],
)
def test_what_the_code_of_a_scheme_raises_is_one_line(how: str, says: str) -> None:
    """The error itself, with the place in the code, is its cause."""
    with pytest.raises(testing.Nonconforming, match=says) as error:
        testing.check_scheme(Wrong(how=how), 12, only=["stopping"])
    assert isinstance(error.value.__cause__, KeyError)


def test_each_largest_error_says_for_how_many_stragglers_it_is() -> None:
    """Twelve workers in groups of three: a bound grows with every third straggler."""
    found = testing.check_scheme("fractional_repetition", 12, load=3, only=["error"])["error"]
    mean, *parts = found.split("; ")
    assert mean.startswith("mean decoding error")
    groups = [
        f"{s} stragglers: largest 0, whole groups lost bound {s // 3 * 3}" for s in range(2, 9)
    ]
    assert parts == groups  # the bound holds for any master; this one waits until it is exact


@pytest.mark.parametrize(
    ("name", "fields", "workers", "check", "says"),
    [
        # Groups of three: (2^3 - 1)^4 sets have somebody of each; a yes counts C(12, 2) pairs.
        (
            *("fractional_repetition", {"load": 3}, 12, "exactness"),
            "exact at 2401 stops, 66 patterns of 2 stragglers: weights are at most 0.0e+00 away",
        ),
        ("uncoded", {}, 12, "exactness", "exact at 1 stops, 1 patterns of 0 stragglers"),
        (
            *("fractional_repetition", {"load": 3, "partial": 0.5}, 12, "exactness"),
            "exact in 120 rounds, 1 patterns of 0 stragglers",
        ),
        ("fractional_repetition", {"load": 4}, 20, "exactness", "1140 patterns of 3 stragglers"),
        ("fractional_repetition", {"load": 5}, 20, "exactness", "4845 patterns of 4 stragglers"),
        ("cyclic_mds", {"load": 6}, 20, "exactness", "2000 patterns of 5 stragglers"),
        ("ignore_stragglers", {"wait_for": 6}, 12, "exactness", "not exact, as it says"),
        ("ignore_stragglers", {"wait_for": 6}, 13, "exactness", "says that it is not exact"),
        ("adaptive_deadline", {"kappa": 2.0}, 12, "exactness", ""),
        ("uncoded", {}, 12, "loads", "mean load 1, 1 copies of each partition"),
        ("cyclic_mds", {"load": 5}, 12, "loads", "mean load 5, 5 copies of each partition"),
        ("bernoulli", {"load": 3, "wait_for": 6}, 12, "loads", "mean load "),
        ("asynchronous", {}, 12, "loads", ""),
        ("asynchronous", {}, 12, "stopping", ""),
        ("asynchronous", {}, 12, "decoding", ""),
        ("uncoded", {}, 12, "decoding", "both answers agree"),
        ("uncoded", {}, 12, "stopping", "monotone"),
        ("ignore_stragglers", {"wait_for": 6}, 12, "unbiased", "unbiased: largest |z| "),
        ("uncoded", {}, 12, "unbiased", ""),
        ("cyclic_mds", {"load": 3}, 12, "unbiased", ""),
        ("asynchronous", {}, 12, "unbiased", "unbiased: largest |z| "),
        (
            *("ignore_stragglers", {"wait_for": 6, "rescale": False}, 12, "error"),
            "mean decoding error 6 +- 0, formula 6; 6 stragglers: largest 6, whole groups lost",
        ),
        (
            *("ignore_stragglers", {"wait_for": 11, "rescale": False}, 12, "error"),
            "mean decoding error 1 +- 0, formula 1; 1 straggler: largest 1, whole groups lost",
        ),
        ("multi_message", {"load": 2}, 12, "error", ""),
        ("uncoded", {}, 12, "values", "frozen values"),
        ("uncoded", {}, 12, "refusals", ""),
        ("ignore_stragglers", {"wait_for": 6}, 12, "refusals", "refusals of wait_for name what"),
        ("fractional_repetition", {"load": 3}, 12, "refusals", "refusals of load name what is acc"),
        (
            "ringmaster",
            {"oldest": 3, "stops": True},
            12,
            "engines",
            "event engine alone: ",
        ),
        ("adaptive_k", {"wait_for": 3}, 12, "engines", ""),
    ],
    ids=str,
)
def test_what_a_check_has_confirmed(name, fields, workers, check, says):
    """In numbers that are known beforehand; that nothing is claimed where it does not apply."""
    found = testing.check_scheme(name, workers, only=[check], **fields)[check]
    assert found.startswith(says) or (", " in found and says in found)
    assert (found == "nothing claimed") == (not says)


def test_a_matrix_is_taken_as_an_array() -> None:
    """Its loads count entries that are not 0; what is no matrix is refused where it is made."""
    b = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    code = Encoded(b)
    assert code == Encoded(sparse.csr_array(b))
    swapped = sparse.csr_array(([2.0, 1.0, 1.0], [1, 0, 2], [0, 2, 3]), shape=(2, 3))
    assert code == Encoded(swapped)  # in whatever order the entries are kept
    assert swapped.indices.tolist() == [1, 0, 2]
    assert hash(code) == hash(Encoded(swapped))
    np.testing.assert_array_equal(code.loads, np.array([2, 1]) * 2 / 3)
    with pytest.raises(ValueError, match=r"B has shape \(3,\): must be \(workers, partitions\)"):
        Encoded(sparse.csr_array(b[0]))


@pytest.mark.parametrize("fractional", [False, True])
def test_messages_of_a_matrix_are_those_of_pieces(fractional: bool) -> None:
    """The same rounds and weights by either: when messages are sent, loads, who is heard first."""
    pieces = Pieces(6, 3, fractional)
    found = []
    for code in (pieces, Encoded(pieces.encoding, messages=3)):
        rule = CoverPartitions(code) | FirstK(9)
        scheme = Fixed("own", code, rule, OnePerPartition(code), exact=None)
        trace = both_finish(scheme, [LatticeTape(5, 6, 50)], PerPartition(), 20, "queue")
        found.append({**arrays(trace), "weights": scheme.weights(trace.arrived)})
    np.testing.assert_equal(*found)


@pytest.mark.parametrize("file", sorted(PLUGINS.glob("[a-su-z]*.py")), ids=lambda file: file.stem)
def test_a_plugin_is_checked_by_its_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PLUGINS)
    own = vars(importlib.import_module(file.stem)).values()
    [family] = [e for e in own if hasattr(e, "examples") and getattr(e, "name", "") == file.stem]
    [example] = family.examples()
    found = testing.check_scheme(file.stem, 12, plugins=[str(file)], **fields_of(example))
    assert found["values"] == "frozen values"
    assert found["stopping"] != "nothing claimed" or file.stem == "fresh_buffer"


def test_what_a_plugin_does_not_say_is_found() -> None:
    """The example of a random code takes any ``wait_for``, and would wait for ever."""
    plugin = str(PLUGINS / "random_sparse.py")
    testing.check_scheme("random_sparse", 12, plugins=[plugin], load=2, wait_for=10)
    with pytest.raises(testing.Nonconforming, match="does not stop when all have arrived"):
        testing.check_scheme("random_sparse", 8, plugins=[plugin], load=2, wait_for=10)


def test_what_cannot_be_checked_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"scheme = 'erasurehed': .*did you mean erasurehead\?"):
        testing.check_scheme("erasurehed")
    with pytest.raises(ConfigError, match="only = 'loads': must be a list of names of checks"):
        testing.check_scheme("uncoded", only="loads")
    with pytest.raises(ConfigError, match=r"only = 'load': must be one of: .*loads"):
        testing.check_scheme("uncoded", only=["load"])
    with pytest.raises(
        ConfigError, match=r"fractional_repetition\.load.* must divide workers = 30"
    ):
        testing.check_scheme(SCHEMES["fractional_repetition"](load=4), 30)


def test_every_pattern_of_stragglers_is_tried_where_they_are_few_enough(monkeypatch):
    """Of two of twelve workers there are 66; else some are drawn, of as many workers."""
    under = SchemeUnderTest(Wrong(), 12)
    for most, rows in ((66, 66), (65, 40)):
        monkeypatch.setattr(codes, "MAX_PATTERNS", most)
        monkeypatch.setattr(codes, "RANDOM_PATTERNS", 40)
        heard = under.without(2)
        assert heard.shape == (rows, 12)
        assert (heard.sum(axis=1) == 10).all()
    lost = np.random.default_rng(5).random((40, 12)).argsort(axis=1)[:, :2]
    rows = [np.flatnonzero(~each).tolist() for each in heard]
    assert rows == np.sort(lost, axis=1).tolist(), "the patterns are those of the releases before"
