"""The base of models that are made of another model: what a wrapper does not say itself, the model inside it says.

A wrapper hands on an optional method where the model inside has it, and lacks it elsewhere. A method that was always
there would make every model constrained, finite and observed.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from jaxtyping import Array, Float

from seriatim._optional import ends_after
from seriatim.model import Disturbance, Key

Method: TypeAlias = Callable[..., Any]


def as_it_is(_: Any, found: Any) -> Any:
    """Hand on what the model inside has."""
    return found


def of_state(_: Any, method: Method) -> Method:
    """Make a method of the wrapper's states, which hold the inner model's state, from one of that state."""
    return lambda whole, *rest: method(whole.state, *rest)


def checked_end(wrapper: Any, _: Any) -> int | None:
    """Return the number of stages after which the model inside ends; a wrong one is refused in that model's name."""
    return ends_after(wrapper.model)


class PassedOn:
    """An attribute of the model inside, adapted to the wrapper; missing where that model lacks it or has None.

    Args:
        adapt: makes the wrapper's attribute from the wrapper and the inner attribute.
    """

    def __init__(self, adapt: Callable[[Any, Any], Any] = as_it_is) -> None:
        self.adapt = adapt

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, wrapper: Any, owner: type | None = None) -> Any:
        if wrapper is None:
            return self
        found = getattr(wrapper.model, self.name)
        if found is None:
            raise AttributeError(f"{type(wrapper.model).__name__} has no {self.name}", name=self.name, obj=wrapper)
        return self.adapt(wrapper, found)


class WrappedModel:
    """A model with the sizes, discount and disturbances of the model that its field `model` holds."""

    model: Any

    @property
    def num_agents(self) -> int:
        """The number of agents, m."""
        number: int = self.model.num_agents
        return number

    @property
    def num_controls(self) -> int:
        """The largest number of controls of an agent, c."""
        number: int = self.model.num_controls
        return number

    @property
    def discount(self) -> float | Float[Array, ""]:
        """The discount factor of one stage."""
        discount: float | Float[Array, ""] = self.model.discount
        return discount

    def sample_disturbance(self, key: Key) -> Disturbance:
        """Draw what is random in one stage."""
        return self.model.sample_disturbance(key)
