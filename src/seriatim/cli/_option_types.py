"""Building blocks of command-line options: readers of values, options of one kind, and groups of options.

A group of options fills one record. An option of a group takes its default from the record's field of its name.

Nothing here may import JAX, numpy or rich: `seriatim --help` must not wait for them.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import click

from seriatim._errors import InputError

# Counts are 32-bit numbers where programs are compiled.
MOST = 2**31 - 1

Command = Callable[..., Any]
Option = Callable[[Command], Command]


def whole_number(lowest: int, largest: int = MOST) -> Callable[..., int | None]:
    """Return a callback that reads a whole number in a range."""

    def read(_: click.Context, parameter: click.Parameter, value: Any) -> int | None:
        if value is None:
            return None
        try:
            number = int(str(value))
        except ValueError:
            number = lowest - 1
        if not lowest <= number <= largest:
            up_to = "up" if number < lowest and largest == MOST else f"to {largest}"
            raise InputError(f"{parameter.opts[0]} {value}: give a whole number from {lowest} {up_to}.")
        return number

    return read


def number_from_zero(_: click.Context, parameter: click.Parameter, value: Any) -> float | None:
    """Read a number from 0 up, or None."""
    if value is None:
        return None
    number = _number(value)
    if not 0 <= number < math.inf:
        raise InputError(f"{parameter.opts[0]} {value}: give a number from 0 up.")
    return number


def number_above_zero(_: click.Context, parameter: click.Parameter, value: Any) -> float | None:
    """Read a number above 0, or None."""
    if value is None:
        return None
    number = _number(value)
    if not 0 < number < math.inf:
        raise InputError(f"{parameter.opts[0]} {value}: give a number above 0.")
    return number


def _number(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def order_of_agents(_: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Read `random`, `optimised`, or agents in their turn as in `2,0,1`."""
    if value in (None, "random", "optimised"):
        return value
    try:
        return tuple(int(agent) for agent in str(value).split(","))
    except ValueError:
        expected = "random, optimised, or the agents in their turn, as in 2,0,1"
        raise InputError(f"{parameter.opts[0]} {value}: give {expected}.") from None


def sizes_of_layers(_: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """Read sizes of layers as in `64,64`."""
    try:
        sizes = tuple(int(size) for size in value.split(",") if size.strip())
    except ValueError:
        sizes = (0,)
    if min(sizes, default=1) < 1:
        raise InputError(f"{parameter.opts[0]} {value}: give the sizes of the layers, as in 64,64.")
    return sizes


def group(into: type[Any], name: str, options: Sequence[Option]) -> Option:
    """Give a command some options, which arrive together as one record.

    Args:
        into: the record.
        name: of the command's parameter that the record becomes.
        options: in the order in which help lists them.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def call(**given: Any) -> Any:
            names = [field.name for field in dataclasses.fields(into) if field.name in given]
            record = into(**{name: given.pop(name) for name in names})
            return command(**given, **{name: record})

        # Decorators apply from the last to the first, so that help lists the options in the order given.
        decorated: Command = call
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


def default_of(into: type[Any], option: str) -> Any:
    """Return the default of the record's field that an option fills: `batch` for `--batch`."""
    (name,) = (f for f in dataclasses.fields(into) if f.name == option.removeprefix("--").replace("-", "_"))
    return name.default


def count(into: type[Any], option: str, lowest: int, meaning: str, default: int | None = None) -> Option:
    """Make an option that is a whole number; `default` stands in for a field's default of None."""
    return _valued(into, option, "N", whole_number(lowest), meaning, default)


def from_zero(into: type[Any], option: str, meaning: str) -> Option:
    """Make an option that is a number from 0 up."""
    return _valued(into, option, "X", number_from_zero, meaning)


def above_zero(into: type[Any], option: str, meaning: str, unit: str = "X") -> Option:
    """Make an option that is a number above 0."""
    return _valued(into, option, unit, number_above_zero, meaning)


def _valued(
    into: type[Any], option: str, unit: str, read: Callable[..., Any], meaning: str, otherwise: Any = None
) -> Option:
    default = default_of(into, option) if otherwise is None else otherwise
    shown = default is not None
    return click.option(
        option, default=default, show_default=shown, metavar=unit, type=str, callback=read, help=meaning
    )


def layers(into: type[Any]) -> Option:
    """Make the option `--hidden`."""
    default = ",".join(map(str, default_of(into, "--hidden")))
    return click.option(
        "--hidden", default=default, show_default=True, metavar="N,N", callback=sizes_of_layers, help="Sizes of layers."
    )


def shared(into: type[Any]) -> Option:
    """Make the option `--shared/--separate`."""
    default = default_of(into, "--shared")
    meaning = "Whether agents have the same parameters."
    return click.option("--shared/--separate", default=default, show_default=True, help=meaning)
