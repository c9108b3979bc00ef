"""Schemes that cannot be: each is refused in one line, which names a field and what is valid."""

from __future__ import annotations

import pytest
import yaml

import erasurehead as eh
from erasurehead.plugins import InvalidParameter
from erasurehead.schemes import SCHEMES
from tests.golden.records import require_recorded

# Workers and a scheme, as a config names it.
REFUSED = """
30 {name: stochastic_block, load: 3, community: 4, inside: 0.5, wait_for: 9}
30 {name: stochastic_block, load: 3, community: 5, inside: 0.9, wait_for: 9}
30 {name: graph_assignment, degree: 7, wait_for: 5}
10 {name: communication_efficient, load: 3, share: 4}
10 {name: heterogeneity_aware, load: 3, speeds: [1, 1, 1, 1, 1, 1, 1, 1, 1]}
3 {name: heterogeneous_split, straggle_probabilities: [0.1], deadline: 1.0}
10 {name: bernoulli, load: 3, wait_for: 11}
10 {name: bernoulli, load: 3}
10 {name: bernoulli, load: 3, wait_for: 4, stop: cover}
10 {name: stochastic_gradient_coding, load: 3, stop: cover}
13 {name: expander, load: 6, wait_for: 5, graph: paley, code_seed: 7}
13 {name: expander, load: 6, wait_for: 5, graph: circulant, code_seed: 7}
12 {name: ringmaster, stops: true}
12 {name: drop_compute, pieces: 3, cut: at}
# What there is beside a graph or a design that there is not.
12 {name: expander, load: 6, graph: paley, wait_for: 1}
3 {name: expander, load: 1, graph: paley, wait_for: 1}
21 {name: expander, load: 10, graph: paley, wait_for: 1}
13 {name: expander, load: 5, graph: paley, wait_for: 1}
9 {name: regular_graph, load: 3, wait_for: 1}
11 {name: regular_graph, load: 3, wait_for: 1}
4 {name: regular_graph, load: 4, wait_for: 1}
1 {name: regular_graph, load: 3, wait_for: 1}
30 {name: block_design, load: 3, wait_for: 1}
2 {name: block_design, load: 3, wait_for: 1}
12 {name: block_design, load: 8, wait_for: 1}
# Loads, and numbers of arrivals.
30 {name: erasurehead, load: 4, wait_for: 15}
12 {name: erasurehead, load: 5, wait_for: 6}
12 {name: erasurehead, load: 7, wait_for: 6}
12 {name: erasurehead, load: 13, wait_for: 6}
72 {name: erasurehead, load: 7, wait_for: 6}
144 {name: erasurehead, load: 11, wait_for: 6}
30 {name: erasurehead, load: 3, wait_for: 15, rescale: true, deadline: 2.0}
30 {name: erasurehead, load: 3, wait_for: 30, rescale: true, deadline: 2.0}
30 {name: erasurehead, load: 3, wait_for: 15, rescale: true, decoder: sum}
30 {name: fractional_repetition, load: 7}
12 {name: fractional_repetition, load: 5, partial: 0.5}
12 {name: fractional_repetition, load: 3, partial: 0.4, stop: {first: 6}}
30 {name: cyclic_mds, load: 31}
30 {name: adaptive_k, wait_for: 5, most: 31}
30 {name: adaptive_k, wait_for: 5, most: 4}
5 {name: adaptive_deadline, kappa: 1.0, at_least: 6}
30 {name: ignore_stragglers}
30 {name: window}
30 {name: multi_message, load: 2, wait_for: 61}
6 {name: multi_message, load: 4, assignment: fractional}
4 {name: ignore_stragglers, grace: 1.0}
4 {name: ignore_stragglers, grace: 1.0, deadline: 2.0}
4 {name: ignore_stragglers, grace: 1.0, stop: {first: 3}}
12 {name: pipelined, load: 13, wait_for: 5}
12 {name: pipelined, load: 3, wait_for: 13}
# Work that is dealt or copied, and levels of coordinates.
4 {name: balanced, micro_batches: 8, seconds: [1.0, 2.0]}
4 {name: speculative}
4 {name: speculative, spark: "4.0", copy_after: 3}
4 {name: speculative, spark: "4.0", multiplier: 2.0}
4 {name: speculative, copy_after: 5}
3 {name: block_coordinate, split: []}
3 {name: block_coordinate, split: [0.0, 0.0]}
3 {name: block_coordinate, split: [1.0, 1.0, 1.0, 1.0]}
4 {name: mindflayer, trials: 2, patience: 0.0}
# Sequential codes.
8 {name: sequential, B: 2, W: 4, stragglers: 3, tolerance: 1.0}
8 {name: sequential, B: 5, W: 5, stragglers: 3, tolerance: 1.0}
4 {name: sequential, B: 3, W: 3, stragglers: 1, tolerance: 0.5, variant: multiplexed}
8 {name: sequential, B: 1, W: 2, stragglers: 9, tolerance: 1.0}
1 {name: sequential, B: 1, W: 2, stragglers: 1, tolerance: 1.0}
8 {name: sequential, B: 1, W: 2, stragglers: 1, tolerance: 1, variant: multiplexed, exempt: current}
# Without a barrier.
4 {name: asynchronous, staleness: {}}
4 {name: asynchronous, staleness: {power: 1, hinge: [1, 2]}}
4 {name: asynchronous, staleness: {power: -1}}
4 {name: asynchronous, staleness: {power: .inf}}
4 {name: asynchronous, staleness: {hinge: [1]}}
4 {name: asynchronous, staleness: {power: 1}, delay_adaptive: true}
4 {name: asynchronous, rescale: true}
4 {name: ssp, ahead: -1}
4 {name: ssp, ahead: 1.5}
4 {name: ssp, ahead: true}
4 {name: ssp, ahead: far}
# When a round ends: at a spread of arrivals, as past rounds did, behind a barrier.
12 {name: cyclic_repetition, load: 3, stop: {first: 3, spread: .inf}}
12 {name: cyclic_repetition, load: 3, stop: {first: 3, spread: -1.0}}
12 {name: cyclic_repetition, load: 3, stop: {first: 13, spread: 1.0}}
12 {name: cyclic_repetition, load: 3, stop: {spread: 1.0}}
12 {name: cyclic_repetition, load: 3, stop: {first: 3, spread: 1.0, grace: 1.0}}
12 {name: cyclic_repetition, load: 3, stop: {adaptive: {kappa: 1.0, at_least: 13}}}
12 {name: cyclic_repetition, load: 3, stop: {adaptive: {kappa: .inf}}}
12 {name: cyclic_repetition, load: 3, stop: {adaptive: {kappa: 1.0, rounds: 0}}}
12 {name: cyclic_repetition, load: 3, stop: {adaptive: {at_least: 3}}}
12 {name: cyclic_repetition, load: 3, stop: {adaptive: 3.0}}
12 {name: local_sgd, steps: 2, stop: {adaptive: {kappa: 1.0}}}
6 {name: cyclic_repetition, load: 3, stop: {window: 1.0, tolerates: 7}}
6 {name: cyclic_repetition, load: 3, stop: {window: 1.0, tolerates: -1}}
6 {name: cyclic_repetition, load: 3, stop: {window: 1.0, tolerates: 1.5}}
6 {name: cyclic_repetition, load: 3, stop: {window: .inf, tolerates: 2}}
6 {name: cyclic_repetition, load: 3, stop: {window: -0.5, tolerates: 2}}
6 {name: cyclic_repetition, load: 3, stop: {window: 1.0, tolerates: 2, strict: maybe}}
6 {name: uncoded, stop: {window: 1}}
6 {name: bernoulli, load: 3, stop: {window: 1, tolerates: 2, strict: no, otherwise: decodable}}
6 {name: cyclic_repetition, load: 3, stop: {window: 1.0, tolerates: 2, otherwise: first}}
6 {name: cyclic_repetition, load: 3, stop: {window: 1.0, tolerates: 2, at_least: 3}}
6 {name: cyclic_repetition, load: 3, stop: {window: null, tolerates: 2}}
6 {name: cyclic_repetition, load: 3, stop: {window: 1.0, otherwise: all}}
8 {name: ignore_stragglers, stop: {first: 0}}
8 {name: ignore_stragglers, stop: {first: true}}
8 {name: ignore_stragglers, stop: {grace: 1.0}}
8 {name: ignore_stragglers, stop: {first: 3, grace: -1.0}}
8 {name: ignore_stragglers, stop: {first: 3, grace: .inf}}
8 {name: ignore_stragglers, stop: {first: 3, cover: true}}
8 {name: ignore_stragglers, stop: {cover: false}}
8 {name: ignore_stragglers, stop: {cover: 1}}
8 {name: ignore_stragglers, stop: {deadline: -1}}
8 {name: ignore_stragglers, stop: {decodable: 0}}
8 {name: ignore_stragglers, stop: {any: [{first: 2}, {window: -1}]}}
8 {name: ignore_stragglers, stop: {sooner: 3}}
8 {name: ignore_stragglers, stop: covered}
8 {name: ignore_stragglers, stop: 7}
8 {name: ignore_stragglers, stop: []}
8 {name: ignore_stragglers, stop: {first: 9}}
8 {name: ignore_stragglers, stop: {first: 9, grace: 1}}
8 {name: ignore_stragglers, stop: {window: 1, at_least: 9}}
8 {name: ignore_stragglers, stop: {any: []}}
8 {name: ignore_stragglers, stop: {all: [{first: 3}, {first: 9}]}}
# Local steps, and levels of them.
6 {name: local_sgd, steps: 2, outer: {rule: average, learning_rate: 0.5}}
6 {name: local_sgd, steps: 2, outer: {rule: adam}}
6 {name: local_sgd, steps: 2, outer: {rule: nesterov, momentum: 1.0}}
6 {name: local_sgd, steps: 2, wait_for: 7}
6 {name: local_sgd, steps: 2, wait_for: 3, stop: {deadline: 1.0}}
6 {name: local_sgd, steps: 8, levels: {3: 2}}
6 {name: local_sgd, steps: 8, levels: {2: 2, 4: 3}}
6 {name: local_sgd, steps: 8, levels: {16: 2}}
6 {name: local_sgd, steps: 8, levels: {2: 6}}
6 {name: local_sgd, steps: 8, levels: {0: 2}}
6 {name: local_sgd, steps: 8, levels: {x: 2}}
6 {name: local_sgd, steps: 8, levels: {2: 0}}
6 {name: local_sgd, steps: 8, levels: {2: true}}
6 {name: local_sgd, steps: 8, levels: {2: 3, "2": 2}}
6 {name: local_sgd, steps: 8, levels: {2: 3}, wait_for: 3}
6 {name: local_sgd, steps: 8, levels: {2: 3}, load: 2}
6 {name: local_sgd, steps: 8, levels: {2: 3}, stop: {first: 3}}
"""
LINES = [line for line in REFUSED.strip().splitlines() if not line.startswith("#")]


def refused(line: str) -> list[object]:
    """What a user is told, and what would not be refused in this way."""
    workers, _, text = line.partition(" ")
    scheme = yaml.safe_load(text)
    delay = {"model": "exponential", "rate": 1.0}
    document = {"workers": int(workers), "iterations": 2, "delay": delay, "schemes": [scheme]}
    with pytest.raises((eh.ConfigError, ValueError)) as told:
        eh.run(document)
    fields = {key: value for key, value in scheme.items() if key != "name"}
    try:
        SCHEMES[scheme["name"]](**fields).build(int(workers))
    except InvalidParameter as error:
        return [str(told.value), error.nearest]
    except eh.ConfigError:
        return [str(told.value), {}]
    return [str(told.value), "made for the law of the delays"]


@pytest.mark.golden
def test_what_cannot_be_is_refused_by_name() -> None:
    """Nothing is ignored in silence, and whatever is refused names its field."""
    found = {line: refused(line) for line in LINES}
    for line, (message, _) in found.items():
        assert "\n" not in message
        assert len(message) < 400, line
        assert message.startswith(("schemes", "levels: a key stands there twice")), message
    require_recorded("guarantees/refusals", found)
