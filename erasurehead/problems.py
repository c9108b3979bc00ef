"""Problems: data and a loss, for ``erasurehead.train``; and the data sets that a config can name.

    Logistic(X, y)  # (N, p) and (N,) arrays; l2=, X_test=, y_test= by name
    problem, initial = from_dataset(Logistic, BreastCancer(), l2="1/rows")

A loss of your own derives from ``Problem`` and says what one row loses."""

from erasurehead.sim.training.problems.base import Problem as Problem
from erasurehead.sim.training.problems.datasets import *  # noqa: F403
from erasurehead.sim.training.problems.losses import LeastSquares as LeastSquares
from erasurehead.sim.training.problems.losses import Logistic as Logistic
from erasurehead.sim.training.problems.losses import from_dataset as from_dataset
from erasurehead.sim.training.problems.network import Mlp as Mlp
from erasurehead.sim.training.problems.network import Softmax as Softmax
from erasurehead.sim.training.problems.objective import Objective as Objective
from erasurehead.sim.training.problems.own_model import OwnModel as OwnModel
