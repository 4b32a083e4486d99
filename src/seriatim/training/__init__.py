"""Policies that are trained: networks that see what one agent sees, and the descent of their expected cost."""

from seriatim.training import _extra as _extra

# isort: split
from seriatim.training._checkpoint import about_checkpoint, load_checkpoint, save_checkpoint
from seriatim.training._decentralised import DecentralisedPolicy, decentralised_policy, network_policy
from seriatim.training._loop import Diverged, Trainer, Training, train
from seriatim.training._network import AgentNetwork
from seriatim.training._plot import plot_runs
from seriatim.training._policy_gradient import TRAJECTORY_ESTIMATORS, PolicyGradient, PolicyGradientState
from seriatim.training._remembering import Remembered, Remembering, Unremembering
from seriatim.training._run import Run, runs_in
from seriatim.training._trained import trained_policy

__all__ = [
    "TRAJECTORY_ESTIMATORS",
    "AgentNetwork",
    "DecentralisedPolicy",
    "Diverged",
    "PolicyGradient",
    "PolicyGradientState",
    "Remembered",
    "Remembering",
    "Run",
    "Trainer",
    "Training",
    "Unremembering",
    "about_checkpoint",
    "decentralised_policy",
    "load_checkpoint",
    "network_policy",
    "plot_runs",
    "runs_in",
    "save_checkpoint",
    "train",
    "trained_policy",
]
