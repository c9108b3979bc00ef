"""Optimizers: how a model moves along a decoded gradient, as classes."""

from erasurehead.sim.training.optimizers import Accelerated as Accelerated
from erasurehead.sim.training.optimizers import GradientDescent as GradientDescent
from erasurehead.sim.training.optimizers import Nesterov as Nesterov
from erasurehead.sim.training.optimizers import Optimizer as Optimizer
