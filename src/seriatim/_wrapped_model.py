"""The base of models that are made of another model: what a wrapper does not say itself, the model inside it says.

A wrapper hands on an optional method where the model inside has it, and lacks it elsewhere. A method that was always
there would make every model constrained, finite and observed.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from jaxtyping import Array, Float

from seriatim import _optional
from seriatim.model import Disturbance, Key

Method: TypeAlias = Callable[..., Any]


def as_it_is(_: Any, found: Any) -> Any:
    """Hand on what the model inside has."""
    return found


def of_state(_: Any, method: Method) -> Method:
    """Make a method of the wrapper's states, which hold the inner model's state, from one of that state."""
    return lambda whole, *rest: method(whole.state, *rest)


def passed_on(adapt: Callable[[Any, Any], Any] = as_it_is) -> Any:
    """Make a class attribute that is the inner model's of the same name; missing where that model lacks it or has None.

    Args:
        adapt: makes the wrapper's attribute from the wrapper and the inner attribute.
    """
    return _PassedOn(adapt)


class _PassedOn:
    def __init__(self, adapt: Callable[[Any, Any], Any]) -> None:
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
    """A model with the sizes, discount, disturbances and number of stages of the model that its field `model` holds."""

    model: Any
    num_agents: int = passed_on()
    num_controls: int = passed_on()
    discount: float | Float[Array, ""] = passed_on()
    sample_disturbance: Callable[[Key], Disturbance] = passed_on()
    # A wrong number of stages is refused in the name of the model that says it.
    ends_after: int | None = passed_on(lambda wrapper, _: _optional.ends_after(wrapper.model))
