"""The methods of a model or a policy, compiled: one program each, where every operation alone would be one."""

import functools

from seriatim._compile import jit


def _called(owner, *args, method):
    return getattr(owner, method)(*args)


_compiled = jit(_called, static_argnames=("method",))


class compiled:
    """`compiled(model).transition(...)` is `model.transition(...)`; new numbers in the model compile nothing."""

    def __init__(self, owner):
        self._owner = owner

    def __call__(self, *args):
        return _compiled(self._owner, *args, method="__call__")

    def __getattr__(self, method):
        return functools.partial(_compiled, self._owner, method=method)
