"""What help calls a default is the default of what the options fill, here and in the library."""

import dataclasses
import inspect
import re

import pytest

import seriatim as st
from seriatim.cli import _options, _policies, _training_options
from seriatim.cli._main import commands
from seriatim.simulation._settings import DEFAULT_SAMPLES
from seriatim.training.runs._loop import DEFAULT_EVERY


def defaults(made):
    """The defaults of a record's fields, or of a function's parameters."""
    if dataclasses.is_dataclass(made):
        return {field.name: field.default for field in dataclasses.fields(made)}
    return {name: parameter.default for name, parameter in inspect.signature(made).parameters.items()}


@pytest.mark.parametrize(
    ("options", "made", "apart"),
    [
        (_training_options.Network, st.networks.decentralised_policy, set()),
        (_training_options.Classifier, st.networks.policy_classifier, set()),
        (_training_options.Gradient, st.training.PolicyGradient, set()),
        (_training_options.Iteration, st.training.PolicyIteration, {"iterations", "passes", "on"}),
    ],
)
def test_records_of_options_have_the_defaults_of_what_is_made_of_them(options, made, apart):
    own, of_library = defaults(options), defaults(made)
    assert own.keys() - of_library.keys() <= apart
    for name in own.keys() - apart:
        assert own[name] == of_library[name], name


def test_single_defaults_are_those_of_the_library():
    assert _training_options.Iteration().passes == st.training.Fitting().passes
    assert DEFAULT_EVERY == _training_options.CHECKPOINT_EVERY
    assert defaults(st.compare)["horizon"] == _options.HORIZON
    assert option("compare", "--episodes").default == defaults(st.compare)["episodes"]
    assert option("solve", "--tolerance").default == defaults(st.exact.value_iteration)["tolerance"]


def option(command, name):
    found = commands.commands[command]
    return next(parameter for parameter in found.params if name in parameter.opts)


def stated(name):
    """The number that the help of an option without a default of its own calls the default."""
    return re.search(r"\[default: (.*)\]", option("run", name).help)[1]


def test_help_states_the_defaults_of_planners():
    for planner in (st.OneAtATimeRollout, st.StandardRollout, st.SignallingRollout, st.training.PolicyIteration):
        assert float(stated("--significance")) == defaults(planner)["significance"], planner
    assert int(stated("--lookahead")) == st.Simulation().lookahead
    assert stated("--samples") == f"1 for a deterministic model, else {DEFAULT_SAMPLES}"
    assert f"; {_policies.CUT} where a problem never ends" in stated("--simulation-horizon")
