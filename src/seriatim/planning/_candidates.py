"""Candidates: the controls that a turn compares, where agents have very many.

A turn compares the present control with k others, drawn without replacement from the softmax of the proposal's logits,
by *Gumbel top-k* (`seriatim.distributions`): add Gumbel noise to the logits and keep the k largest. For k = 1 this is
the Gumbel-max trick; in general the controls kept are those of drawing one after the other, each in proportion to its
probability among those that remain (Plackett-Luce), in one operation on the whole row.

The guarantee stays: it asks of a set of candidates only that the present control is among them, and it always is. Only
controls that may be chosen are drawn, as long as there are any.

Sources: W. Kool, H. van Hoof, M. Welling, Stochastic Beams and Where to Find Them, ICML 2019, for Gumbel top-k;
I. Danihelka et al., Policy Improvement by Planning with Gumbel, ICLR 2022, for planning with controls drawn so;
T. Yellott, The Relationship between Luce's Choice Axiom, Thurstone's Theory of Comparative Judgment, and the Double
Exponential Distribution, Journal of Mathematical Psychology 15(2), 1977, for why it is right.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from seriatim._errors import InputError
from seriatim._numbers import is_whole
from seriatim._record import record, static
from seriatim.model import Key, Model


@runtime_checkable
class Proposal(Protocol):
    """A function that says which controls to compare: the larger the logit of a control, the likelier it is drawn."""

    def __call__(self, info: Any, key: Key) -> Float[Array, "m c"]:
        """Return logits; minus infinity is never drawn."""
        ...


@record
class Sampled:
    """Some of an agent's controls, for agents with very many.

    The guarantees need only the present control. A control that is not drawn cannot be chosen, and its Q-factor is
    infinite.

    Attributes:
        number: how many controls a turn compares, at least 2: the present one, and others drawn anew at each decision,
            without replacement.
        proposal: a function (state, key) -> logits `[m, c]`, such as a trained network, by which the others are drawn.
            None draws all controls alike.

    Raises:
        InputError: `number` is less than 2, or the proposal cannot be called.
    """

    number: int = static()
    proposal: Proposal | None = None

    def __post_init__(self) -> None:
        if not is_whole(self.number, 2):
            raise InputError(
                f"number={self.number!r}: a turn compares the present control and at least one other; give a whole "
                "number from 2 up, or candidates=None for all controls."
            )
        if self.proposal is not None and not callable(self.proposal):
            raise InputError(
                f"proposal={self.proposal!r} cannot be called; give a function (state, key) -> logits [m, c]."
            )


class Drawn(NamedTuple):
    """The controls that a decision's turns compare: their number besides the present one, and how they are drawn."""

    alternatives: int
    logits: Float[Array, "m c"]
    key: Key


def drawn_from(candidates: Sampled | None, model: Model, info: Any, key: Key) -> Drawn | None:
    """Return how an agent's alternatives are drawn; None where all its controls are compared."""
    # Where all controls would be drawn, none need be.
    if candidates is None or candidates.number >= model.num_controls:
        return None
    # Guesses and proposals never meet, so the key of one serves the other.
    proposing, drawing = jax.random.split(key)
    # One of the number is the present control, which is not drawn.
    return Drawn(candidates.number - 1, logits_of(candidates.proposal, model, info, proposing), drawing)


def logits_of(proposal: Proposal | None, model: Model, info: Any, key: Key) -> Float[Array, "m c"]:
    """Ask the proposal; without one all controls are equally likely."""
    shape = (model.num_agents, model.num_controls)
    if proposal is None:
        return jnp.zeros(shape)
    logits = jnp.asarray(proposal(info, key), float)
    if logits.shape != shape:
        raise InputError(
            f"proposal returned logits of shape {logits.shape}; give one number for each agent and control, {shape}."
        )
    return logits
