"""When a round ends: what a code's field ``stop`` can be, as classes.

    ErasureHead(load=3, stop=Earliest(any=(FirstK(first=6), Deadline(deadline=2.0))))

The words ``"cover"`` and ``"decodable"`` stand for ``Covered(cover=True)`` and
``DecodableWithin(decodable=1e-6)``. ``docs/codes.md`` explains each."""

from erasurehead.sim.schemes.parts.deadlines import Deadline as Deadline
from erasurehead.sim.schemes.parts.deadlines import PastDeadline as PastDeadline
from erasurehead.sim.schemes.parts.deadlines import Spread as Spread
from erasurehead.sim.schemes.parts.deadlines import Window as Window
from erasurehead.sim.schemes.parts.stop import Adaptive as Adaptive
from erasurehead.sim.schemes.parts.stop import Barrier as Barrier
from erasurehead.sim.schemes.parts.stop import Covered as Covered
from erasurehead.sim.schemes.parts.stop import DecodableWithin as DecodableWithin
from erasurehead.sim.schemes.parts.stop import Earliest as Earliest
from erasurehead.sim.schemes.parts.stop import Latest as Latest
from erasurehead.sim.schemes.parts.stop import Quorum as Quorum
from erasurehead.sim.schemes.parts.stopping import FirstK as FirstK
from erasurehead.sim.schemes.parts.stopping import StoppingRule as StoppingRule
