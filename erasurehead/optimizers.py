"""Optimizers: how a model moves along a decoded gradient, as classes."""

from erasurehead.sim.optimizers import Accelerated as Accelerated
from erasurehead.sim.optimizers import GradientDescent as GradientDescent
from erasurehead.sim.optimizers import Nesterov as Nesterov
from erasurehead.sim.optimizers import Optimizer as Optimizer
