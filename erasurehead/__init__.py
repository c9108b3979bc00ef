"""Straggler simulator for distributed gradient descent.

    import erasurehead as eh

    result = eh.run("example.yaml")
    result.summary
    result.plot.loss_time()

Everything else in this distribution (``sim``, ``delay_models``, ``experiments``) can be imported
too, but only the names in ``__all__`` are kept stable. Heavy libraries are imported when the first
of them is used.
"""

from erasurehead.ours import require_ours

require_ours()

__version__ = "0.1.0"
