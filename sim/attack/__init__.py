"""The worst stragglers of a code, and how much worse they are than random ones.

``code_of(scheme)`` gives the ``Code`` of a scheme, or says why it has none (``NoCode``);
``attack(code, counts, effort)`` finds the worst set for each number of stragglers (``Worst``).
Upper bounds stand in ``sim.theory.worst_case``.
"""

from .code import Code, NoCode, code_of
from .search import Effort, Worst, attack

__all__ = ["Code", "Effort", "NoCode", "Worst", "attack", "code_of"]
