"""When a round ends: what a code's field ``stop`` can be, as classes.

    ErasureHead(load=3, stop=Earliest(any=(FirstK(first=6), Deadline(deadline=2.0))))

The words ``"cover"`` and ``"decodable"`` stand for ``Covered(cover=True)`` and
``DecodableWithin(decodable=1e-6)``. ``docs/codes.md`` explains each."""

from erasurehead.sim.schemes.deadlines import Deadline as Deadline
from erasurehead.sim.schemes.deadlines import PastDeadline as PastDeadline
from erasurehead.sim.schemes.deadlines import Spread as Spread
from erasurehead.sim.schemes.deadlines import Window as Window
from erasurehead.sim.schemes.stop import Adaptive as Adaptive
from erasurehead.sim.schemes.stop import Barrier as Barrier
from erasurehead.sim.schemes.stop import Covered as Covered
from erasurehead.sim.schemes.stop import DecodableWithin as DecodableWithin
from erasurehead.sim.schemes.stop import Earliest as Earliest
from erasurehead.sim.schemes.stop import Latest as Latest
from erasurehead.sim.schemes.stop import Quorum as Quorum
from erasurehead.sim.schemes.stopping import FirstK as FirstK
from erasurehead.sim.schemes.stopping import StoppingRule as StoppingRule
