"""Load laws: how a worker's seconds in a round grow with its load d, as classes."""

from erasurehead.sim.load_laws import Additive as Additive
from erasurehead.sim.load_laws import LoadLaw as LoadLaw
from erasurehead.sim.load_laws import PartlyProportional as PartlyProportional
from erasurehead.sim.load_laws import PerPartition as PerPartition
from erasurehead.sim.load_laws import Proportional as Proportional
from erasurehead.sim.load_laws import StepCosts as StepCosts
