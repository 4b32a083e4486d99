"""The estimators of gradients over categorical choices, by name. A new one joins all tests with its line here."""

from collections.abc import Mapping

from seriatim.gradients._disarm import disarm
from seriatim.gradients._estimator import Estimator
from seriatim.gradients._gumbel_rao import gumbel_rao
from seriatim.gradients._gumbel_softmax import gumbel_softmax, straight_through_gumbel_softmax
from seriatim.gradients._relax import rebar, relax
from seriatim.gradients._score_function import leave_one_out, score_function
from seriatim.gradients._straight_through import straight_through

ESTIMATORS: Mapping[str, Estimator[...]] = {
    "score-function": score_function,
    "leave-one-out": leave_one_out,
    "disarm": disarm,
    "rebar": rebar,
    "relax": relax,
    "straight-through": straight_through,
    "gumbel-softmax": gumbel_softmax,
    "straight-through-gumbel-softmax": straight_through_gumbel_softmax,
    "gumbel-rao": gumbel_rao,
}
