"""The base of models that wrap another model: an attribute that the wrapper does not define is taken from that model.

A wrapper has an optional method if the model inside has it, and lacks it otherwise. If the wrapper always had these
methods, every wrapped model would count as constrained, finite and observed.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from jaxtyping import Array, Float

from seriatim import _optional
from seriatim.model import Disturbance, Key

Method: TypeAlias = Callable[..., Any]


def as_it_is(_: Any, found: Any) -> Any:
    """Return the attribute of the inner model unchanged."""
    return found


def of_state(_: Any, method: Method) -> Method:
    """Turn a method of the inner model's states into one of the wrapper's states, which contain them."""
    return lambda whole, *rest: method(whole.state, *rest)


def passed_on(adapt: Callable[[Any, Any], Any] = as_it_is) -> Any:
    """Make a class attribute that is taken from the inner model; it is missing if that model lacks it or has None.

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
    # The inner model is asked, so that a wrong number of stages is reported in the name of the model that gives it.
    ends_after: int | None = passed_on(lambda wrapper, _: _optional.ends_after(wrapper.model))
