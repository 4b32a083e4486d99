"""Discrete and continuous choices as functions of their parameters and fixed noise, so that gradients pass through.

In this library a disturbance depends on neither state nor control: a categorical whose logits depend on both is
`argmax(logits(x, u) + w)` with Gumbel noise w (`gumbel_max`), a Gaussian is `mean + std * w` (`gaussian`). Relax the
argmax to a softmax (`gumbel_softmax`) and the same w gives a choice that can be differentiated.

Conventions of all functions here. The last axis of `logits` is the categories; any axes may stand before it. A category
of logit `-inf` is inadmissible (`masked`): its probability and derivative are zero, never NaN. In a row without an
admissible category nothing is chosen: the index is -1, a point of the simplex is all zeros, and log-probability,
log-density and entropy are 0. Noise is drawn and everything is computed in float32 at least. Samples of the simplex and
of Gaussians have the type of their parameters; numbers in the log domain (noise, log-densities) are float32 at least.
Logits may be integers; NaN and +inf are not logits.
"""

from seriatim.distributions._categorical import entropy, log_probability
from seriatim.distributions._gaussian import gaussian, gaussian_log_density
from seriatim.distributions._gumbel import conditional_gumbels, gumbel_max, gumbel_top_k, gumbels
from seriatim.distributions._masks import masked
from seriatim.distributions._relaxed import gumbel_log_softmax, gumbel_softmax, log_density, straight_through
from seriatim.distributions._temperature import temperature_schedule

__all__ = [
    "conditional_gumbels",
    "entropy",
    "gaussian",
    "gaussian_log_density",
    "gumbel_log_softmax",
    "gumbel_max",
    "gumbel_softmax",
    "gumbel_top_k",
    "gumbels",
    "log_density",
    "log_probability",
    "masked",
    "straight_through",
    "temperature_schedule",
]
