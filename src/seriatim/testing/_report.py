"""The outcome of a check: one finding for each law, in a sentence that says what to do."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from seriatim._diagnosis import explanation
from seriatim._errors import InputError
from seriatim._preconditions import name_of
from seriatim._record import record
from seriatim._structure import require_arrays

NOT_CHECKED = "not checked, since a law above is broken"


class Broken(Exception):
    """A law is broken; the message names the method, the value seen and the value expected."""


class NotApplicable(Exception):
    """A law does not concern this model."""


@record
class Finding:
    """One law: `passed` is True, False, or None where the law does not apply or could not be checked.

    `cause` is the exception that a method of the user's raised, if it did.
    """

    law: str
    passed: bool | None
    message: str
    cause: BaseException | None = dataclasses.field(default=None, repr=False)


@record
class Report:
    """The findings, one for each law. Print the report to read it; `ok` says whether no law is broken."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no law is broken."""
        return not self.failures

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The laws that are broken."""
        return tuple(f for f in self.findings if f.passed is False)

    def raise_if_broken(self) -> None:
        """Raise an InputError with the first broken law's sentence."""
        if self.failures:
            raise InputError(self.failures[0].message) from self.failures[0].cause

    def __str__(self) -> str:
        marks = {True: "ok    ", False: "WRONG ", None: "--    "}
        return "\n".join(f"{marks[f.passed]}{f.law}: {f.message}" for f in folded(self.findings))


def folded(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, with a single one for all laws that were not checked, in place of the first of them."""
    unchecked = [finding for finding in findings if finding.message == NOT_CHECKED]
    if len(unchecked) < 2:
        return list(findings)
    together = Finding(f"{len(unchecked)} more laws", None, NOT_CHECKED)
    kept = [together if f is unchecked[0] else f for f in findings if f is unchecked[0] or f.message != NOT_CHECKED]
    return kept


class Law(NamedTuple):
    """A law and its check, which returns a sentence about the result, or raises `Broken` or `NotApplicable`.

    If a `vital` law is broken, the later laws make no sense.
    """

    text: str
    check: Callable[[], str]
    vital: bool = False


def examine(laws: Sequence[Law]) -> Report:
    """Check the laws in order; after a broken vital law the rest is left unchecked."""
    findings: list[Finding] = []
    stopped = False
    for law in laws:
        finding = Finding(law.text, None, NOT_CHECKED) if stopped else _check(law)
        stopped = stopped or (law.vital and finding.passed is False)
        findings.append(finding)
    return Report(tuple(findings))


def _check(law: Law) -> Finding:
    try:
        return Finding(law.text, True, law.check())
    except (Broken, InputError) as broken:
        return Finding(law.text, False, str(broken), broken.__cause__)
    except NotApplicable as reason:
        return Finding(law.text, None, str(reason))
    except Exception as error:  # a user's method may raise anywhere
        return Finding(law.text, False, explanation("A method", error), error)


def call(owner: Any, method: str, *args: Any, traced: bool = False, mapped: bool = False) -> Any:
    """Call a user's method; turn any exception into a sentence that names the method.

    `traced` only computes the shapes of the result. `mapped` calls the method over a leading axis of all arguments.
    """
    name = f"{type(owner).__name__}.{method}" if method != "__call__" else name_of(owner)
    bound = (lambda *given: owner(*given)) if method == "__call__" else getattr(owner, method)
    function = jax.vmap(bound) if mapped else bound
    try:
        return jax.eval_shape(function, *args) if traced else function(*args)
    except Exception as error:
        raise Broken(explanation(name, error)) from error


def arrays_of(owner: Any, method: str, *args: Any) -> Any:
    """Return the shapes of the arrays that a user's method returns; exceptions are turned into sentences as in `call`.

    Raises:
        InputError: a leaf of what it returns is no array.
    """
    name, faults = f"{type(owner).__name__}.{method}", []

    def checked(*args: Any) -> Any:
        made = getattr(owner, method)(*args)
        try:
            require_arrays(name, made)
        except InputError as fault:
            faults.append(fault)
            return None
        return made

    try:
        found = jax.eval_shape(checked, *args)
    except Exception as error:
        raise Broken(explanation(name, error)) from error
    if faults:
        raise faults[0]
    return found
