"""Clusters that were measured, as numbers: models with their parameters filled in."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator
from typing_extensions import override

from ..sim.base.fields import configured
from .base import DelayModel, Finite
from .compose import Affine, ColdStarts
from .empirical import Empirical
from .mixture import Mixture
from .parametric import Gamma, LogNormal


class Preset(Affine):
    """Another model under a name of its own; abstract: subclasses give ``base``, that model."""

    coefficients = 0.0, 1.0

    @override
    def parts(self) -> tuple[DelayModel, ...]:
        return (self.base,)

    @override
    def sum_of(self, draws: int) -> DelayModel | None:
        return self.base.sum_of(draws)


# Calls without a cold start at each load: the first one's share, then median (s) and sigma of two
# lognormals, fitted by maximum likelihood.
CALLS = {
    0.0: (0.785, (0.640, 0.044), (0.901, 0.258)),
    0.5: (0.844, (1.154, 0.029), (1.445, 0.174)),
    1.0: (0.889, (1.780, 0.037), (2.208, 0.134)),
}


def _two_lognormals(share: float, *two: tuple[float, float]) -> Mixture:
    components = tuple(LogNormal(median=median, sigma=sigma) for median, sigma in two)
    return Mixture(weights=(share, round(1 - share, 3)), components=components)


def _measured(load: float) -> float:
    if load not in CALLS:
        raise ValueError(f"must be one of the loads that were measured: {sorted(CALLS)}")
    return load


@configured
class LambdaCnn(Preset):
    """Serverless calls: gradients of a small CNN on AWS Lambda, measured with 256 workers.

    Nine calls in ten are alike to a few percent, the others take a quarter longer, without memory;
    and 9 % of rounds are hit by cold starts of 26 to 40 s, about 5 workers of 256 at once.

    Args:
        load: the part of the batch that a call computes: 0, 0.5 or 1. A call took
            0.64 + 1.127 * load seconds, with the same spread at each load: the load law is
            ``additive``. So take load 0 with ``{kind: additive, seconds_per_partition: 1.127}``
            where a partition is as large as that batch; load 1 is the whole of such a call.

    Source: 30 rounds at each of five loads for the calls (the mixture is the best of nine
    families by AIC), 47 such series for the cold starts."""

    load: Annotated[Finite, AfterValidator(_measured)] = 1.0

    @cached_property
    @override
    def base(self) -> ColdStarts:
        calls = _two_lognormals(*CALLS[self.load])
        start_up = _two_lognormals(0.65, (25.1, 0.01), (36.7, 0.01))  # with the call 26 to 40 s
        return ColdStarts(base=calls, probability=0.09, share=5 / 256, delay=start_up)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (LambdaCnn(), LambdaCnn(load=0.0))


@configured
class LlmRanks(Preset):
    """Training a language model: compute time of a step at one of 32 data-parallel ranks.

    Sequences differ in length, so steps differ between ranks: the slowest of 32 takes 1.41 times
    the median at stage 0 and 1.28 times at stage 1. There is no memory.

    Args:
        stage: the pipeline stage, 0 or 1; the last one has about 2 s more to compute.

    Source: a public trace of one job (32 ranks, 43 steps of 8 micro-batches, both stages); a
    shifted gamma fitted by maximum likelihood to the 1,376 forward and backward times of each
    stage. Kolmogorov-Smirnov distance 0.05 and 0.06; order statistics 16 to 32 of 32 within 2 %."""

    stage: Literal[0, 1] = 0

    @cached_property
    @override
    def base(self) -> Gamma:
        if self.stage == 0:
            return Gamma(shape=2.99, scale=0.337, shift=3.054)
        return Gamma(shape=4.84, scale=0.262, shift=4.82)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (LlmRanks(), LlmRanks(stage=1))


CURVE = (  # chance that a completion time is shorter, and seconds, read off the authors' plot
    (0.0, 23.0), (0.1, 29.0), (0.2, 30.8), (0.3, 32.3), (0.4, 34.0), (0.5, 35.7), (0.6, 37.5),
    (0.7, 41.0), (0.8, 45.5), (0.85, 52.0), (0.9, 64.0), (0.95, 80.0), (0.986, 122.0),
    (0.993, 170.0), (1.0, 287.0),
)  # fmt: skip


@configured
class AuthorsMeasured(Preset):
    """The measured curve of completion times that the authors of ErasureHead show.

    Straight between the points that were read off it, to 1 s below 50 s and to 4 s above. Half of
    the tasks take 35.7 s or less, one in thirteen over twice that, and the slowest 287 s, eight
    times as long. The curve has no memory: tasks are drawn independently.

    Source: the figure ``straggler.jpg`` in the README of the authors' program, "Pr(completion time
    < T)" against seconds. Which task was measured, on which machines and on how many workers, is
    not said anywhere, so this is the authors' measured curve, of an unknown experiment.
    An arrow in the figure says "98 %" at 96.1 s, where the curve itself is at 0.972, and ours,
    straight between its points, at 0.964."""

    @cached_property
    @override
    def base(self) -> Empirical:
        chances, seconds = zip(*CURVE, strict=True)
        levels = np.linspace(0.0, 1.0, 1001)  # thousandths, which meet every point of the curve
        quantiles = np.interp(levels, chances, seconds)
        return Empirical(quantiles=tuple(quantiles.tolist()))

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (AuthorsMeasured(),)
