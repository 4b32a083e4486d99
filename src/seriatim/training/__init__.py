"""Training: networks that imitate rollout, and policies that descend their expected cost, in runs that resume."""

from seriatim._extra import require_extra

require_extra("training", "equinox", "filelock", "optax", "pyarrow", "safetensors")

# isort: split
from seriatim.training._completion import CompletionNetwork, completion_network, fit_completion
from seriatim.training._fit import Fitting, fit, loss_of
from seriatim.training._fit_networks import fit_networks
from seriatim.training._labels import Labels, confidence, costs_to_go, labels_of, visited
from seriatim.training._losses import agreement, classifier_loss, value_loss
from seriatim.training._policy_gradient import TRAJECTORY_ESTIMATORS, PolicyGradient, PolicyGradientState
from seriatim.training._policy_iteration import PolicyIteration, PolicyIterationState
from seriatim.training._trained import trained_policy, trained_value
from seriatim.training.runs._checkpoint import about_checkpoint, load_checkpoint, save_checkpoint
from seriatim.training.runs._loop import Diverged, Trainer, Training, train
from seriatim.training.runs._plot import plot_runs
from seriatim.training.runs._run import Run, runs_in

__all__ = [
    "TRAJECTORY_ESTIMATORS",
    "CompletionNetwork",
    "Diverged",
    "Fitting",
    "Labels",
    "PolicyGradient",
    "PolicyGradientState",
    "PolicyIteration",
    "PolicyIterationState",
    "Run",
    "Trainer",
    "Training",
    "about_checkpoint",
    "agreement",
    "classifier_loss",
    "completion_network",
    "confidence",
    "costs_to_go",
    "fit",
    "fit_completion",
    "fit_networks",
    "labels_of",
    "load_checkpoint",
    "loss_of",
    "plot_runs",
    "runs_in",
    "save_checkpoint",
    "train",
    "trained_policy",
    "trained_value",
    "value_loss",
    "visited",
]
