"""Policies that are trained: networks that see what one agent sees, and the descent of their expected cost."""

from seriatim.training import _extra as _extra

# isort: split
from seriatim.training._checkpoint import about_checkpoint, load_checkpoint, save_checkpoint
from seriatim.training._classifier import NetworkValue, TeamNetwork, policy_classifier, value_network
from seriatim.training._completion import CompletionNetwork, completion_network, fit_completion
from seriatim.training._decentralised import DecentralisedPolicy, decentralised_policy, network_policy
from seriatim.training._features import Featured
from seriatim.training._fit import Fitting, fit, loss_of
from seriatim.training._fit_networks import fit_networks
from seriatim.training._labels import Labels, confidence, costs_to_go, labels_of, visited
from seriatim.training._loop import Diverged, Trainer, Training, train
from seriatim.training._losses import agreement, classifier_loss, value_loss
from seriatim.training._network import AgentNetwork
from seriatim.training._or_else import OrElse
from seriatim.training._partition import NearestCentre, PartitionedPolicy, PartitionedValue, clusters, partitioned
from seriatim.training._plot import plot_runs
from seriatim.training._policy_gradient import TRAJECTORY_ESTIMATORS, PolicyGradient, PolicyGradientState
from seriatim.training._policy_iteration import PolicyIteration, PolicyIterationState
from seriatim.training._remembering import Remembered, Remembering, Unremembering
from seriatim.training._run import Run, runs_in
from seriatim.training._trained import trained_policy, trained_value

__all__ = [
    "TRAJECTORY_ESTIMATORS",
    "AgentNetwork",
    "CompletionNetwork",
    "DecentralisedPolicy",
    "Diverged",
    "Featured",
    "Fitting",
    "Labels",
    "NearestCentre",
    "NetworkValue",
    "OrElse",
    "PartitionedPolicy",
    "PartitionedValue",
    "PolicyGradient",
    "PolicyGradientState",
    "PolicyIteration",
    "PolicyIterationState",
    "Remembered",
    "Remembering",
    "Run",
    "TeamNetwork",
    "Trainer",
    "Training",
    "Unremembering",
    "about_checkpoint",
    "agreement",
    "classifier_loss",
    "clusters",
    "completion_network",
    "confidence",
    "costs_to_go",
    "decentralised_policy",
    "fit",
    "fit_completion",
    "fit_networks",
    "labels_of",
    "load_checkpoint",
    "loss_of",
    "network_policy",
    "partitioned",
    "plot_runs",
    "policy_classifier",
    "runs_in",
    "save_checkpoint",
    "train",
    "trained_policy",
    "trained_value",
    "value_loss",
    "value_network",
    "visited",
]
