"""Training: networks that imitate rollout, and policies that descend their expected cost, in runs that resume."""

from typing import TYPE_CHECKING

from seriatim._errors import require_extra
from seriatim._moved import moved_names

if not TYPE_CHECKING:  # what is missing is named before an import below fails
    require_extra("training", "equinox", "filelock", "optax", "pyarrow", "safetensors")

# isort: split
from seriatim.training._completion import completion_network, fit_completion
from seriatim.training._fit import Fitting
from seriatim.training._labels import visited
from seriatim.training._policy_gradient import PolicyGradient
from seriatim.training._policy_iteration import PolicyIteration
from seriatim.training._trained import trained_policy, trained_value
from seriatim.training.runs._checkpoint import load_checkpoint, save_checkpoint
from seriatim.training.runs._loop import Diverged, Trainer, train
from seriatim.training.runs._plot import plot_runs
from seriatim.training.runs._run import Run, runs_in

__all__ = [
    "Diverged",
    "Fitting",
    "PolicyGradient",
    "PolicyIteration",
    "Run",
    "Trainer",
    "completion_network",
    "fit_completion",
    "load_checkpoint",
    "plot_runs",
    "runs_in",
    "save_checkpoint",
    "train",
    "trained_policy",
    "trained_value",
    "visited",
]

if not TYPE_CHECKING:  # a type checker would take every name for one that is there
    __getattr__ = moved_names(__name__)
