"""The worst stragglers of a code, and how much worse they are than random ones.

``code_of(scheme)`` gives the ``Code`` of a scheme, or says why it has none (``NoCode``);
``worst_sets(code, counts, budget)`` finds the worst set for each number of stragglers (``Worst``).
Upper bounds are in ``sim.theory.worst_case``."""

from .code import Code, NoCode, code_of
from .search import SearchBudget, Worst, worst_sets

__all__ = ["Code", "NoCode", "SearchBudget", "Worst", "code_of", "worst_sets"]
