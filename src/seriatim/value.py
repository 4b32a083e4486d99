"""Values: approximations of the cost-to-go, used where a simulation is cut short."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float


@runtime_checkable
class Value(Protocol):
    """An estimate of the cost still to come, in the units of the stage cost, undiscounted to the present stage."""

    def __call__(self, info: Any) -> Float[Array, ""]:
        """Return the estimated cost-to-go from `info`."""
        ...
