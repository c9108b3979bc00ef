"""A decoder's two answers are one, and every row of a table has its own."""

from __future__ import annotations

import numpy as np

from .subject import Subject, require


def check_decoding(subject: Subject) -> str:
    """``partition_weights`` is ``decoding_vector @ B``, row by row, and listens to arrivals alone.

    Tables of any shape come as engines hand them over: replications x rounds x messages.
    """
    scheme = subject.fixed
    if scheme is None:
        return ""
    decoder = scheme.decoder
    arrived = subject.arrivals(1, rows=300)
    vector, weights = decoder.decoding_vector(arrived), decoder.partition_weights(arrived)
    require(vector.shape == arrived.shape, f"decoding_vector has shape {vector.shape}")
    shape = (*arrived.shape[:-1], scheme.partitions)
    require(weights.shape == shape, f"partition_weights has shape {weights.shape}, not {shape}")
    require(not np.any(vector[~arrived]), "the decoder weighs a message that has not arrived")
    expected = (vector @ scheme.assignment.encoding.toarray()).real
    scale = 1 + float(np.abs(vector).max())
    away = float(np.abs(weights - expected).max())
    require(away <= 1e-9 * scale, f"partition_weights is {away:.3g} away from decoding_vector @ B")
    few, tall = arrived[:30], arrived[:30].reshape(2, 5, 3, -1)
    for answer, found in ((decoder.decoding_vector, vector), (decoder.partition_weights, weights)):
        each = np.array([answer(row) for row in few])
        together = answer(tall).reshape(each.shape)
        away = float(max(np.abs(each - found[:30]).max(), np.abs(together - each).max()))
        require(away <= 1e-9 * scale, f"{answer.__name__} of a table is {away:.3g} off its rows'")
    return "both answers agree"
