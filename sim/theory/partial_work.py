"""How much a worker does that stops by itself after some time.

Source: Giladi and others, DropCompute (NeurIPS 2023). With S_m the time of the first m of M
micro-batches, a worker that drops the one under way at tau does sum_m P(S_m <= tau) of them on
average; one that finishes it begins a micro-batch whenever it ended the last one by tau.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from ..load_laws import LoadLaw
from ..schemes.drop_compute import Cut
from .arrivals import NoFormula
from .valid import require_count, require_positive
from .worker_time import UnitDelay, piece_time_at


def mean_pieces_done(
    pieces: int, patience: float, cut: Cut, delay: UnitDelay, law: LoadLaw
) -> float | NoFormula:
    """Micro-batches that a worker does in a round on average.

    Args:
        pieces: M.
        patience: tau, seconds.
        cut: as in ``drop_compute``.
        delay: the unit delay.
        law: how a worker's time grows with its load.

    Returns:
        ``NoFormula`` where the time of some pieces has no closed form.

    Raises:
        InvalidParameter: pieces or patience are not positive.
    """
    require_positive("patience", patience)
    chances = []
    for done in range(1, pieces + (cut == "at")):
        time = piece_time_at(delay, law, pieces, done)
        if time is None:
            return NoFormula(f"the time of {done} pieces has no closed form")
        chances.append(float(time.cdf(patience)))
    return sum(chances) + (cut == "after")


def normal_pieces_done(pieces: int, patience: float, mean: float, deviation: float) -> float:
    """Micro-batches done by tau where their times are independent: the central limit for each S_m.

    Args:
        pieces: M.
        patience: tau, seconds.
        mean, deviation: of one micro-batch, seconds.

    Raises:
        InvalidParameter: pieces, mean or deviation are not positive.
    """
    require_count("pieces", pieces)
    require_positive("mean", mean)
    require_positive("deviation", deviation)
    m = np.arange(1, pieces + 1)
    return float(ndtr((patience - m * mean) / (deviation * np.sqrt(m))).sum())
