"""`lanes(f)` is `vmap(f)` with lanes last, for every program: random ones, and one for each kind of operation."""

import functools
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as some

from seriatim._errors import InputError
from seriatim.lanes import _folds, lanes, padded_lane_count

# Axes on both sides of the length from which folds become loops, so that both forms are met.
LENGTHS = (1, 2, 3, 7)


def same(function, *arguments, in_axes=None):
    axes = (-1,) * len(arguments) if in_axes is None else in_axes

    @jax.jit
    def both(arguments):
        # In one program: most of what a test takes is the compiler's time for each.
        return jax.vmap(function, in_axes=axes, out_axes=-1)(*arguments), lanes(function, axes)(*arguments)

    expected, seen = both(arguments)
    assert jax.tree.structure(seen) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(seen), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-5, atol=1e-5)


# --- random programs -------------------------------------------------------------------------------------------------


class Program:
    """A program drawn step by step: each step takes earlier values and makes a new one."""

    def __init__(self, draw, shapes):
        self.draw = draw
        self.shapes = list(shapes)
        self.steps = []

    def pick(self, admissible=lambda shape: True):
        places = [i for i, shape in enumerate(self.shapes) if admissible(shape)]
        return self.draw(some.sampled_from(places)) if places else None

    def add(self, function, *places):
        if None in places:
            return
        out = jax.eval_shape(function, *(jax.ShapeDtypeStruct(self.shapes[p], jnp.int32) for p in places))
        if np.prod(out.shape, initial=1) <= 600:
            self.steps.append((function, places))
            self.shapes.append(out.shape)

    def __call__(self, *arguments):
        values = list(arguments)
        for function, places in self.steps:
            values.append(function(*(values[p] for p in places)).astype(jnp.int32) % 101)
        return tuple(values[-3:])


def elementwise(program):
    place = program.pick()
    function = program.draw(
        some.sampled_from([jnp.abs, jnp.negative, lambda x: jnp.where(x > 3, x, 1), lambda x: jnp.clip(x, 1, 4)])
    )
    program.add(function, place)


def pairwise(program):
    one = program.pick()
    shape = program.shapes[one]
    other = program.pick(lambda s: all(a == b or 1 in (a, b) for a, b in zip(s[::-1], shape[::-1], strict=False)))
    function = program.draw(
        some.sampled_from([jnp.add, jnp.minimum, jnp.multiply, lambda x, y: x < y, lambda x, y: (x == y) | (x > 5)])
    )
    program.add(function, one, other)


def outer(program):
    one, other = program.pick(lambda s: len(s) == 1), program.pick(lambda s: len(s) == 1)
    program.add(lambda x, y: jnp.abs(x[:, None] - y[None]), one, other)


def reduction(program):
    place = program.pick(len)
    if place is None:
        return
    axis = program.draw(some.integers(0, len(program.shapes[place]) - 1))
    kind = program.draw(some.sampled_from([jnp.sum, jnp.min, jnp.max, jnp.argmin, jnp.argmax, jnp.prod]))
    program.add(lambda x: kind(x, axis=axis), place)


def logic(program):
    place = program.pick(len)
    if place is not None:
        kind = program.draw(some.sampled_from([jnp.any, jnp.all]))
        program.add(lambda x: kind(x > 2, axis=0), place)


def everything(program):
    kind = program.draw(some.sampled_from([jnp.sum, jnp.min, jnp.argmax]))
    program.add(lambda x: kind(x), program.pick())


def shape_change(program):
    place = program.pick(len)
    if place is None:
        return
    rank = len(program.shapes[place])
    axis = program.draw(some.integers(0, rank - 1))
    function = program.draw(
        some.sampled_from(
            [
                lambda x: jnp.moveaxis(x, 0, -1),
                lambda x: x.reshape(-1),
                lambda x: jnp.expand_dims(x, axis),
                lambda x: jnp.broadcast_to(x, (2, *x.shape)),
                lambda x: jnp.flip(x, axis),
                lambda x: jnp.concatenate([x, x + 1], axis),
                lambda x: jnp.stack([x, 2 * x], axis),
                lambda x: jax.lax.slice_in_dim(x, 0, max(1, x.shape[axis] - 1), axis=axis),
                lambda x: x[..., ::2],
                lambda x: x[0],
                lambda x: jnp.sort(x, axis),
                lambda x: jnp.cumsum(x, axis),
                lambda x: jnp.roll(x, 1, axis),
                lambda x: jnp.tile(x, 2),
                lambda x: jnp.concatenate([x, jnp.ones_like(x)], axis),
                lambda x: jnp.stack([jnp.full_like(x, 4), x, 2 * x], axis),
                lambda x: jnp.select([x < 0, x > 3], [x + 9, -x], 5),
                lambda x: jnp.pad(x, 1, constant_values=3),
                lambda x: sum(x),
            ]
        )
    )
    program.add(function, place)


def lookup(program):
    table, index = program.pick(len), program.pick(lambda s: len(s) < 2)
    if table is None:
        return
    axis = program.draw(some.integers(0, len(program.shapes[table]) - 1))
    mode = program.draw(some.sampled_from(["clip", "fill", "wrap"]))
    program.add(lambda x, i: jnp.take(x, i, axis=axis, mode=mode), table, index)


def update(program):
    table, index = program.pick(len), program.pick(lambda s: s == ())
    if table is None:
        return
    kind = program.draw(some.sampled_from(["set", "add", "min"]))
    program.add(lambda x, i: getattr(x.at[i], kind)(7), table, index)


def many_updates(program):
    table, index = program.pick(len), program.pick(lambda s: len(s) == 1)
    program.add(lambda x, i: x.at[i].add(3), table, index)


def control_flow(program):
    place = program.pick()
    function = program.draw(
        some.sampled_from(
            [
                lambda x: jax.lax.cond(jnp.sum(x) > 9, lambda y: y + 1, lambda y: -y, x),
                lambda x: jax.lax.fori_loop(0, 3, lambda i, y: y + i * (y > 0), x),
                lambda x: jax.lax.while_loop(lambda y: jnp.sum(y) < 50, lambda y: y + 2, jnp.maximum(x, 0)),
                lambda x: jax.lax.switch(jnp.clip(jnp.max(x), 0, 2), [jnp.abs, jnp.negative, lambda y: y * 2], x),
            ]
        )
    )
    program.add(function, place)


STEPS = [
    elementwise,
    pairwise,
    outer,
    reduction,
    logic,
    everything,
    shape_change,
    lookup,
    update,
    many_updates,
    control_flow,
]
SHAPES = some.lists(some.lists(some.sampled_from(LENGTHS), max_size=2).map(tuple), min_size=1, max_size=3)


@settings(max_examples=2 * settings.default.max_examples, phases=[Phase.generate], report_multiple_bugs=False)
@given(data=some.data(), shapes=SHAPES, count=some.sampled_from([1, 4]))
def test_random_programs(data, shapes, count):
    program = Program(data.draw, shapes)
    for step in data.draw(some.lists(some.sampled_from(STEPS), min_size=1, max_size=9)):
        step(program)
    shared = data.draw(some.lists(some.booleans(), min_size=len(shapes), max_size=len(shapes)))
    shared[data.draw(some.integers(0, len(shapes) - 1))] = False
    rng = np.random.default_rng(data.draw(some.integers(0, 999)))
    arguments = [
        jnp.asarray(rng.integers(-3, 8, shape if alone else (*shape, count)), jnp.int32)
        for shape, alone in zip(shapes, shared, strict=True)
    ]
    # Whether repeated parts of folds are kept is a matter of speed, so here it is left to chance.
    with mock.patch.object(_folds, "LARGE", data.draw(some.sampled_from([0, _folds.LARGE]))):
        same(program, *arguments, in_axes=tuple(None if alone else -1 for alone in shared))


# --- one of each kind ------------------------------------------------------------------------------------------------

FLOATS = np.array([1.5, np.nan, -2.0, np.inf, 0.0, -0.0, 1.5, -np.inf, 7.0], np.float32)


def floats(*shape):
    rng = np.random.default_rng(len(shape))
    return jnp.asarray(rng.choice(FLOATS, shape))


@pytest.mark.parametrize("length", [2, 9])
@pytest.mark.parametrize("kind", [jnp.min, jnp.max, jnp.argmin, jnp.argmax, jnp.sum], ids=lambda kind: kind.__name__)
def test_reductions_meet_nan_and_infinity_as_vmap_does(kind, length):
    same(lambda x, y: (kind(x, axis=0), kind(y, axis=1)), floats(length, 3, 50), floats(3, length, 50))


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize("dtype", [jnp.bool_, jnp.int8, jnp.int16, jnp.uint8, jnp.float16, jnp.float32])
@pytest.mark.parametrize("mode", ["fill", "clip", "wrap"])
def test_lookups_of_every_type_inside_and_outside_the_table(dtype, mode):
    table = jnp.arange(10 * 4).reshape(5, 2, 4).astype(dtype)
    inside_and_out = jnp.arange(-9, 11).reshape(5, 4)

    def looked_up(x, shared, i):
        own = x.at[i[0]].get(mode=None if mode == "wrap" else mode)
        return own, [jnp.take(x, i, axis=axis, mode=mode) for axis in (0, 1)], jnp.take(shared, i, axis=0, mode=mode)

    same(looked_up, table, table[..., 0], inside_and_out, in_axes=(-1, None, -1))


def test_repeated_parts_of_a_fold_are_computed_once_where_it_is_large(monkeypatch):
    """Seen in the program: with m rows, what all of them share is multiplied once, not m times."""

    def apart(x, y):
        return jnp.min(x[:, None] - 7 * y[None], axis=1)

    def multiplications(large):
        monkeypatch.setattr(_folds, "LARGE", large)
        rows, many = jnp.arange(12.0).reshape(6, 2), jnp.arange(18.0).reshape(9, 2)
        same(apart, rows, many)
        text = jax.jit(lanes(apart, (-1, -1))).lower(rows, many).as_text()
        return [line for line in text.splitlines() if "multiply" in line and "9x2" in line]

    assert multiplications(0)
    assert not multiplications(10**9)


@pytest.mark.parametrize("length", [slow(49), 50, 51, slow(130)])
def test_long_folds_in_pieces(length):
    x = jnp.asarray(np.random.default_rng(length).integers(0, 9, (3, length, 4)), jnp.int32)
    same(lambda x: (jnp.argmin(x, axis=1), jnp.max(x, axis=1), jnp.sum(x[0]), jnp.argmax(x[1])), x)
    same(lambda x: jnp.min(jnp.abs(x[:, :, None] - x[:, None]), axis=2), x)


def test_slices_of_a_shared_table():
    table, row, column = jnp.arange(60).reshape(3, 4, 5), jnp.array([0, 2, 1, 9]), jnp.array([-1, 0, 3, 1])
    same(lambda i, j: jax.lax.dynamic_slice(table, (i, 0, j), (1, 4, 2)), row, column)
    same(lambda i, j: jax.lax.dynamic_slice(table, (0, j, i), (3, 1, 1)) + table[i, j, 0], row, column)


def test_lookups_by_pairs_of_indices():
    table, shared = jnp.arange(60).reshape(3, 5, 4), jnp.arange(35).reshape(5, 7)
    row, column = jnp.array([[0, 2, 1, 3], [4, 4, 0, -1]]), jnp.array([[6, 1, 3, 0], [2, 5, -2, 9]])
    same(lambda i, j: shared[i, j], row, column)
    same(lambda i, j: shared[i[:, None], j], row, column)
    same(lambda i, j: shared[:, j] + i[0], row, column)
    for mode in ("clip", "fill", "promise_in_bounds"):
        inside = (row % 5, column % 7) if mode == "promise_in_bounds" else (row, column)
        same(lambda i, j, m=mode: [x.at[i[:, None], j].get(mode=m) for x in (shared, shared.astype(float))], *inside)
    same(lambda x, i: x[jnp.arange(3), jnp.resize(i, 3)], table, row)
    same(lambda x, i: jnp.take_along_axis(x, jnp.resize(i, (3, 2)) % 5, axis=1), table, row)


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.uint8, jnp.int16, jnp.uint16, jnp.uint32])
@pytest.mark.parametrize("length", [5, 100, 130, 300, 40_000])
def test_places_of_every_type_in_tables_of_every_length(dtype, length):
    """A narrow type may not hold the length of the table."""
    table, limits = 7 * jnp.arange(length), jnp.iinfo(dtype)
    draw = np.random.default_rng(length).integers
    places = jnp.asarray(draw(max(limits.min, -50_000), min(limits.max, 50_000), (3, 40)), dtype)
    one_number = jax.lax.GatherDimensionNumbers((), collapsed_slice_dims=(0,), start_index_map=(0,))

    def looked_up(i):
        by_mode = [jax.lax.gather(table, i[:, None], one_number, (1,), mode=mode) for mode in ("clip", "fill")]
        return table[i[0]], jnp.take(table, i), jax.lax.dynamic_slice_in_dim(table, i[0], 4), by_mode

    same(looked_up, places)


def test_lookups_keep_the_sign_of_zero():
    x, place = jnp.full((6, 4), -0.0), jnp.array([0, 5, 2, 3])
    same(lambda x, i: (1 / x[i], 1 / x.at[jnp.stack([i, i])].add(jnp.zeros(2))), x, place)


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.float16, jnp.bfloat16])
def test_products_of_narrow_numbers(dtype):
    """Their sums may need more room than the numbers."""
    draw = np.random.default_rng(0).integers
    matrix, vector = (jnp.asarray(draw(-100, 100, shape), dtype) for shape in ((4, 6, 9), (6, 9)))
    wide = jnp.int32 if dtype == jnp.int8 else jnp.float32
    for result in (None, wide):
        multiply = functools.partial(jnp.matmul, preferred_element_type=result)
        same(multiply, matrix, vector)
        same(multiply, matrix[..., 0], vector, in_axes=(None, -1))
    same(jnp.matmul, jnp.zeros((3, 0)), jnp.zeros((0, 9)), in_axes=(None, -1))


def test_updates_by_functions_and_of_parts():
    x, place = jnp.arange(6.0 * 8 * 4).reshape(6, 8, 4), jnp.array([0, 5, 1, 3])
    same(lambda x, i: x.at[i].apply(jnp.square), x, place)
    same(lambda x, i: x.at[i, 2].apply(jnp.sqrt), x, place)
    same(lambda x, i: x.at[i].apply(jnp.square), x[..., 0], place, in_axes=(None, -1))
    row = jax.lax.ScatterDimensionNumbers((0,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,))
    for width in (1, 3, 8):
        for update in (jax.lax.scatter, jax.lax.scatter_add):
            same(lambda x, i, n=width, update=update: update(x, i[None], 2 * x[0, :n], row), x, place)


def test_functions_with_derivatives_of_their_own():
    @jax.custom_vjp
    def twice(x):
        return 2 * x

    twice.defvjp(lambda x: (2 * x, None), lambda _, g: (2 * g,))
    x, shared = jnp.linspace(-2, 2, 12).reshape(3, 4), jnp.float32(3)
    for function in (jax.nn.relu, twice, jax.checkpoint(jnp.sin)):
        same(lambda x, y, f=function: f(x) + f(y) + jnp.sum(f(jnp.arange(-2.0, 2.0))), x, shared, in_axes=(-1, None))
        same(lambda x, f=function: jax.grad(lambda y: jnp.sum(f(y) ** 2))(x), x)


def test_keys_are_looked_up_and_replaced():
    keys, place = jax.random.split(jax.random.key(0), 5), jnp.array([0, 5, 1, 3, 7])

    def looked_up(key, i):
        some_keys = jax.random.split(key, 8)
        replaced = jax.vmap(jax.random.uniform)(some_keys.at[i].set(key))
        return (
            jax.random.uniform(some_keys[i]),
            jax.random.uniform(jax.lax.dynamic_slice(some_keys, (i,), (1,))[0]),
            replaced,
        )

    same(looked_up, keys, place)


def test_plain_numbers_that_lanes_share_widen_nothing():
    for dtype, number in ((jnp.bfloat16, 2.0), (jnp.int16, 2)):
        same(lambda x, y: x * y, jnp.ones((2, 3), dtype), number, in_axes=(-1, None))


@pytest.mark.parametrize(("arguments", "seen"), [((jnp.ones((2, 3)), jnp.ones((2, 1))), "1 and 3"), ((), "none")])
def test_lanes_are_counted(arguments, seen):
    with pytest.raises(InputError, match=f"Lanes: {seen}; give arrays"):
        lanes(lambda *x: x, (-1,) * len(arguments))(*arguments)


def test_updates_inside_and_outside():
    x, place = jnp.arange(3 * 6 * 4).reshape(3, 6, 4), jnp.array([0, 5, -1, 8])

    def updated(x, i):
        return (
            x.at[:, i].set(7),
            x.at[:, i].add(7),
            x.at[1].set(i),
            x.at[:, i].set(7, mode="drop"),
            jax.lax.dynamic_update_slice(x, x[:1] * 9, (i, 0)),
            jax.lax.dynamic_slice(x, (0, i), (3, 1)),
            jax.lax.dynamic_slice(x, (0, i), (2, 2)),
            x.at[0, jnp.stack([i, i, 0 * i])].add(jnp.array([1, 10, 100])),
            x.at[i, jnp.array([0, 2])].set(5),
        )

    same(updated, x, place)


def test_what_is_empty_stays_empty():
    same(lambda x, y: (x, jnp.sum(x), y + jnp.prod(x)), jnp.zeros((0, 4)), jnp.ones(4))


def test_results_that_depend_on_no_lane_are_repeated():
    same(lambda x: (jnp.arange(3), x), jnp.ones(4))


def test_random_numbers_and_keys():
    keys = jax.random.split(jax.random.key(0), 5)
    same(lambda key, x: jax.random.uniform(key, (3,)) + x, keys, jnp.arange(5.0))
    same(lambda key, x: jax.random.key_data(jax.random.fold_in(key, 3))[0] + x, keys, jnp.arange(5).astype(jnp.uint32))


def test_matrix_products_and_linear_algebra():
    x = jax.random.normal(jax.random.key(1), (3, 3, 6))

    def products(x):
        return (
            x @ x.T,
            jnp.linalg.solve(x @ x.T + jnp.eye(3), x[0]),
            jnp.einsum("ij,kj->ik", x, x),
            jnp.einsum("bij,jb->bi", jnp.stack([x, x + 1]), x[:, :2]),
            x @ jnp.ones((3, 4)),
            jnp.tensordot(x, x),
            (x[:, 0] * 9).astype(jnp.int8) @ x[1].astype(jnp.int8),
        )

    same(products, x)


def test_it_maps_and_compiles_and_differentiates():
    x, y = jax.random.normal(jax.random.key(2), (7, 5)), jnp.arange(5.0)

    def function(x, y):
        return jnp.min(jnp.abs(x[:, None] - jnp.arange(8.0)[None]), axis=1).sum() * y

    outside = jax.jit(lanes(function, (-1, -1)))
    np.testing.assert_allclose(outside(x, y), jax.vmap(function, -1)(x, y), rtol=1e-5)
    gradient = jax.grad(lambda x: lanes(function, (-1, -1))(x, y).sum())(x)
    expected = jax.grad(lambda x: jax.vmap(function, -1)(x, y).sum())(x)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)
    twice = jax.vmap(lanes(function, (-1, -1)), (0, None))(jnp.stack([x, 2 * x]), y)
    np.testing.assert_allclose(twice[1], jax.vmap(function, -1)(2 * x, y), rtol=1e-5)


def test_nothing_of_the_size_of_an_outer_product_is_made():
    """The point of it all: folding slices, agents x targets x lanes never exists."""
    one, other = jnp.zeros((40, 1000), jnp.int16), jnp.zeros((50, 1000), jnp.int16)

    def nearest(x, y):
        return jnp.argmin(jnp.abs(x[:, None] - y[None]), axis=1)

    compiled = jax.jit(lanes(nearest, (-1, -1))).lower(one, other).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 40 * 50 * 1000


@pytest.mark.parametrize("wanted", [*range(1, 300), 1024, 4096, 10_000])
def test_lanes_are_taken_in_whole_vectors_and_odd_numbers_of_them(wanted):
    taken = padded_lane_count(wanted)
    assert wanted <= taken <= wanted + 31
    assert taken % 16 == 0 or taken in (1, 2, 4, 8)
    assert wanted < 128 or taken % 32 == 16


# --- weights that all lanes share ------------------------------------------------------------------------------------

WEIGHTS = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), jnp.float32)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: WEIGHTS @ x[0],
        lambda x: x @ WEIGHTS.T,
        lambda x: jax.vmap(lambda row: WEIGHTS @ row)(x),
        lambda x: jnp.max(jax.nn.relu(jnp.stack([x[0] + 1, x[1] * 2]) @ WEIGHTS.T + 1.0), axis=0),
        lambda x: jnp.einsum("hk,ak->ha", WEIGHTS, jnp.where(x > 0, x, 0.0)),
        lambda x: WEIGHTS.T @ jax.nn.relu(WEIGHTS @ jnp.concatenate([x[0, :2], jnp.ones(1)])),
        lambda x: jnp.concatenate([x, jnp.broadcast_to(jnp.arange(3.0), (2, 3))]) @ WEIGHTS.T,
        lambda x: x.T[::-1].T @ jnp.transpose(WEIGHTS),
        lambda x: jnp.tensordot(x, jnp.ones((3, 2, 2)), 1),
    ],
)
def test_a_product_with_weights_that_all_lanes_share(function):
    same(function, jnp.asarray(np.random.default_rng(1).normal(size=(2, 3, 5)), jnp.float32))


def test_what_one_thread_remembers_is_not_taken_from_it_by_another():
    """Two programs are written at the same time, and the first to begin is the first to end."""
    from seriatim.lanes._values import Known, memory

    x = Known(jnp.ones((2, 3)), shared=False)
    with ThreadPoolExecutor(1) as other:
        mine, theirs = memory(), memory()
        other.submit(theirs.__enter__).result()
        with mine:
            part = x.at(0, 1)
            other.submit(theirs.__exit__, None, None, None).result()
            assert x.at(0, 1) is part
