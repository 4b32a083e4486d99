"""Constants of compiled programs are told apart by type and value, and a constant that has changed is seen."""

import collections
import copy
import dataclasses
import decimal
import enum
import functools
import threading
import types
import weakref
from array import array as python_array
from fractions import Fraction

import attr
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim._compile import jit
from seriatim._constants import Constants, key_of
from seriatim._errors import InputError


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass(frozen=True)
class Pair:
    one: object
    other: object = None


Point = collections.namedtuple("Point", ["x", "y"])


@attr.frozen
class Frozen:
    a: object


@dataclasses.dataclass(unsafe_hash=True)
class Hashed:
    a: object


class Named:
    """An object that is told apart by its name, or by a value, whatever else it holds."""

    def __init__(self, name, **values):
        self.name = name
        self.__dict__.update(values)

    def __eq__(self, other):
        return type(other) is type(self) and self.name == other.name

    def __hash__(self):
        return hash(self.name)


class NamedBySlot(Named):
    __slots__ = ("a",)


class Numbers(list):
    pass


class Whole(int):
    pass


class Table(dict):
    __slots__ = ("a",)


class Deque(collections.deque):
    pass


ALIKE = [(1, 1.0, True, Level.LOW, 1 + 0j, np.int32(1), np.float32(1), Fraction(1), "1", b"1", Colour.RED), (0.0, -0.0)]
WRAPPED = [lambda x: x, lambda x: (x,), lambda x: frozenset([x]), lambda x: Pair(2, (x,)), lambda x: Point(x, 0)]
WRAPPED += [lambda x: {"a": x}, lambda x: [x], lambda x: functools.partial(max, x), lambda x: slice(x, 3)]
WRAPPED += [Frozen, Hashed, Named, lambda x: Named("n", a=x), lambda x: (Named("n", a=[x]),), lambda x: [Deque([x])]]


@pytest.mark.parametrize("wrap", WRAPPED)
def test_constants_are_told_apart_by_type_and_value(wrap):
    for values in ALIKE:
        assert len({key_of(wrap(value))[0] for value in values}) == len(values)


@pytest.mark.parametrize(
    "value",
    [
        *(float("nan"), -0.0, 2, (1, (2.0, "x")), frozenset([1]), Pair((1,)), Point(1, 2), Colour.RED, slice(1, 2)),
        *(Frozen((1,)), Hashed(1), Named("n", a=[1, Fraction(2)]), decimal.Decimal("-0")),
    ],
)
def test_equal_values_are_one_constant(value):
    other = copy.deepcopy(value)
    assert key_of(value) == key_of(other)
    assert Constants((value,)) == Constants((other,))
    assert hash(Constants((value,))) == hash(Constants((other,)))


@pytest.mark.parametrize("name", ["size", "option"])
def test_a_program_for_one_constant_serves_no_other(name):
    @st.record
    class Model:
        size: object = st.static(default=None)

        def __call__(self):
            return jnp.asarray(self.size) / 1 if isinstance(self.size, float) else jnp.asarray(self.size)

    of_record = jit(lambda model: model())
    of_option = jit(lambda *, option: jnp.asarray(option), static_argnames=("option",))
    call = (lambda value: of_record(Model(value))) if name == "size" else lambda value: of_option(option=value)
    for value in (2, 2.0, True, 1, 0.0, -0.0, 2.0, 2, 1, True):
        seen = np.asarray(call(value))
        assert seen.dtype.kind == np.asarray(value).dtype.kind
        assert str(seen.item()) == str(value)


def test_nan_is_compiled_once():
    @st.record
    class Model:
        size: object = st.static(default=None)

    traces = []
    call = jit(lambda model, *, bound: traces.append(bound), static_argnames=("bound",))
    for _ in range(3):
        call(Model((float("nan"),)), bound=float("nan"))
    assert len(traces) == 1


# --- what can change -------------------------------------------------------------------------------------------------


class Plain:
    default = 5

    def __init__(self, **values):
        self.__dict__.update(values)

    def method(self):
        return self.default


class Slotted:
    __slots__ = ("a",)

    def __init__(self, a):
        self.a = a


class Child(Slotted):
    pass


@dataclasses.dataclass
class Mutable:
    a: object


GLOBAL = [3]


def closing_over(value):
    def function():
        return value

    def change(new):
        nonlocal value
        value = new

    return function, change


def reads_a_global(of=None):
    return [GLOBAL[0] for _ in range(1)], of


def _named():
    return 0


_named.speed = 1


def _cases():
    array, inner = np.zeros(3), Plain(a=1)
    function, change = closing_over(1)
    yield "attribute", inner, lambda: setattr(inner, "a", -3)
    yield "type of an attribute", (two := Plain(a=2)), lambda: setattr(two, "a", 2.0)
    yield "new attribute", (new := Plain()), lambda: setattr(new, "b", 1)
    yield "slot", (slotted := Child(1)), lambda: setattr(slotted, "a", 2)
    yield "dataclass", (mutable := Mutable(1)), lambda: setattr(mutable, "a", 2)
    yield "nested", Plain(a=[{"k": (nested := Plain(a=1))}]), lambda: setattr(nested, "a", 2)
    yield "array", array, lambda: array.__setitem__(1, 5)
    yield "array inside", Pair((table := np.zeros((2, 2)),)), lambda: table.__setitem__((0, 1), 1)
    yield "objects in an array", (many := np.array([1, "a"], object)), lambda: many.__setitem__(1, "b")
    yield "list", (values := [1]), lambda: values.append(2)
    yield "set", (members := {1}), lambda: members.add(2)
    yield "bytes", (word := bytearray(b"ab")), lambda: word.extend(b"c")
    yield "bound method", (owner := Plain(a=1)).method, lambda: setattr(owner, "a", 2)
    yield "partial", functools.partial(max, part := [1]), lambda: part.append(2)
    yield "partial's keyword", functools.partial(max, key=(key := Plain(a=1))), lambda: setattr(key, "a", 2)
    yield "closure", function, lambda: change(2)
    yield "inside a closure", closing_over(held := Plain(a=1))[0], lambda: setattr(held, "a", 2)
    yield "default", reads_a_global, lambda: setattr(reads_a_global, "__defaults__", ([7],))
    yield "global", reads_a_global, lambda: GLOBAL.append(4)
    yield "attribute of a function", _named, lambda: setattr(_named, "speed", 2)
    yield "jitted", jax.jit(closing_over(under := Plain(a=1))[0]), lambda: setattr(under, "a", 2)
    yield "record", _holder(deep := Plain(a=1)), lambda: setattr(deep, "a", 2)
    yield "method of a record", _holder(far := [1]).get, lambda: far.append(2)
    yield "deque", (queue := collections.deque([0])), lambda: queue.append(1)
    yield "derived deque", (derived := Deque([0])), lambda: derived.append(1)
    yield "array of Python", (packed := python_array("d", [3.0])), lambda: packed.__setitem__(0, 4.0)
    yield "memory", memoryview(lent := python_array("d", [3.0])), lambda: lent.__setitem__(0, 4.0)
    yield "view of a dictionary", (viewed := {"a": 1}).values(), lambda: viewed.update(a=2)
    yield "reference", weakref.ref(referred := Plain(a=1)), lambda: setattr(referred, "a", 2)
    yield "of its own equality", (named := Named("n", a=1)), lambda: setattr(named, "a", 2)
    yield "its compared name", (renamed := Named("n")), lambda: setattr(renamed, "name", "m")
    yield "slot of its own equality", (by_slot := NamedBySlot("n", a=1)), lambda: setattr(by_slot, "b", 2)
    yield "inside its own equality", Named("n", a=(inside := [1])), lambda: inside.append(2)
    yield "inside attrs", Frozen(kept := [1]), lambda: kept.append(2)
    yield "dataclass with a hash", (hashed := Hashed(1)), lambda: setattr(hashed, "a", 2)
    yield "attribute of a list", (numbers := Numbers([1])), lambda: setattr(numbers, "a", 2)
    yield "attribute of a number", (whole := Whole(1)), lambda: setattr(whole, "a", 2)
    yield "slot of a dictionary", (tabled := Table(b=1)), lambda: setattr(tabled, "a", 2)
    yield "namespace", (space := types.SimpleNamespace(a=1)), lambda: setattr(space, "a", 2)


@st.record
class _Holder:
    what: object = st.static()

    def get(self):
        return self.what


def _holder(what):
    return _Holder(what)


@pytest.mark.parametrize(("value", "change"), [pytest.param(v, c, id=name) for name, v, c in _cases()])
def test_a_constant_that_has_changed_is_another(value, change):
    before = key_of(value)
    assert key_of(value) == before
    assert not before[1]
    change()
    assert key_of(value)[0] != before[0]
    assert key_of((value,))[0] == key_of((value,))[0]


def test_data_of_a_class_count():
    class Model:
        target = 3

    model = Model()
    before = key_of(model)
    Model.target = -3
    assert key_of(model)[0] != before[0]


@pytest.mark.parametrize(
    "value",
    [
        *(jnp.sin, len, np.sin, Plain, jax, jnp.zeros(2), _holder(("a", 1)), threading.Lock()),
        *(Frozen((1, 2)), Fraction(1), decimal.Decimal(1), np.dtype("int8"), Level.LOW, np.random.default_rng()),
        *(range(2), test_data_of_a_class_count),
    ],
    ids=lambda constant: type(constant).__name__,
)
def test_what_cannot_change_is_known_by_identity_and_never_looked_at_again(value):
    key, lasts = key_of(value)
    assert lasts
    assert key == key_of(value)[0]


def test_objects_that_hold_themselves():
    one = Plain()
    one.me, one.list = one, []
    one.list.append(one.list)
    before = key_of(one)
    assert before == key_of(one)
    one.list.append(1)
    assert before != key_of(one)


def test_too_deep_is_said():
    deep = None
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InputError, match="list is a compile-time constant and holds objects in objects, too deep"):
        key_of(deep)
    while deep:  # Python would take it apart by recursion
        deep = deep.pop()


# --- compiled --------------------------------------------------------------------------------------------------------


def test_a_program_is_written_again_for_a_changed_constant_and_only_then():
    traces = []

    def apply(record, x):
        traces.append(None)
        return record.inner.target * x

    @st.record
    class Outer:
        inner: object
        hidden: object = st.static(default=None)

    call = jit(apply)
    for make in (lambda plain: Outer(plain), lambda plain: Outer(Plain(target=1), plain)):
        plain = Plain(target=3)
        outer = make(plain)
        traces.clear()
        results = [float(call(outer, x)) for x in (1.0, 2.0)]
        plain.target, outer_before = -3, len(traces)
        results += [float(call(outer, x)) for x in (1.0, 2.0)]
        assert outer_before == 1
        assert len(traces) == 2
        assert results == ([3, 6, -3, -6] if outer.inner is plain else [1, 2, 1, 2])


def test_what_a_program_counts_while_it_is_written_does_not_write_it_again():
    class Counting:
        calls = 0

        def __call__(self, x):
            self.calls += 1
            return x + 1

    @st.record
    class Twice:
        inner: object
        same: object = st.static(default=None)

    counting = Counting()
    call = jit(lambda record, x: record.inner(x))
    for record in (counting, Twice(counting), Twice(counting, counting)):
        apply = call if record is not counting else jit(lambda function, x: function(x))
        before = counting.calls
        assert [float(apply(record, x)) for x in (1.0, 2.0, 3.0)] == [2.0, 3.0, 4.0]
        assert counting.calls == before + 1


class Line:
    """One agent on a line that wants to be at `target`; an ordinary object, no record."""

    num_agents, num_controls, discount = 1, 3, 1.0

    def __init__(self, target):
        self.target = target

    def initial_state(self, key):
        return jnp.int32(0)

    def sample_disturbance(self, key):
        return None

    def control_mask(self, state):
        return jnp.ones((1, 3), bool)

    def transition(self, state, control, disturbance):
        after = state + control[0] - 1
        return st.Transition(after, jnp.abs(after - self.target).astype(float), after == self.target)


class Drift:
    """A base policy that is an ordinary object."""

    control = 1

    def __call__(self, state, key):
        return jnp.full(1, self.control, jnp.int32)


def test_of_two_objects_that_share_a_program_each_is_read_as_it_is():
    """They are equal by their own equality and hold the same. One is changed; the other is then met in a new shape."""

    @st.record
    class Holder:
        inner: object
        hidden: object = st.static(default=None)

    for place in (lambda of: Holder(of), lambda of: Holder(1.0, of)):
        traces = []

        def apply(record, x, traces=traces):
            traces.append(None)
            return (record.hidden or record.inner).target * x

        call, (one, other) = jit(apply), (Named("n", target=3) for _ in range(2))
        with_one, with_other = place(one), place(other)
        assert [float(call(each, 1.0)) for each in (with_other, with_one)] == [3, 3]
        assert len(traces) == 1
        one.target = -3
        assert call(with_other, jnp.ones(2)).tolist() == [3, 3]
        assert call(with_one, jnp.ones(2)).tolist() == [-3, -3]


def test_a_planner_sees_that_an_ordinary_model_or_policy_has_changed():
    key, model, base = jax.random.key(0), Line(3), Drift()
    planner = st.OneAtATimeRollout(model, base, st.Simulation(horizon=4), significance=0.0)
    state = model.initial_state(key)
    first = planner.decide(state, key)
    model.target, base.control = -3, 0
    second = planner.decide(state, key)
    assert first.q_factors.tolist() == [[4 + 4 + 4 + 4, 3 + 3 + 3 + 3, 2 + 2 + 2 + 2]]
    assert second.q_factors.tolist() == [[2 + 1 + 0, 3 + 2 + 1 + 0, 4 + 3 + 2 + 1]]
    model.target, base.control = 3, 1
    assert planner.decide(state, key).q_factors.tolist() == first.q_factors.tolist()
