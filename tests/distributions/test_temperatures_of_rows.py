"""A temperature for each row is what calls with one temperature say, row by row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st

d = st.distributions
LOGITS = jnp.array([[[0.0, 1.0, -1.0], [2.0, -jnp.inf, 0.5]]] * 3)  # [3, 2] rows of three categories
KEY = jax.random.key(0)
POINT = d.gumbel_log_softmax(LOGITS, KEY, 0.7)
SHAPES = [(), (2,), (1, 2), (3, 1), (3, 2), (1, 1)]
FUNCTIONS = {
    "soft": lambda temperature: d.gumbel_softmax(LOGITS, KEY, temperature),
    "hard": lambda temperature: d.gumbel_softmax(LOGITS, KEY, temperature, hard=True),
    "log": lambda temperature: d.gumbel_log_softmax(LOGITS, KEY, temperature),
    "density": lambda temperature: d.log_density(POINT, LOGITS, temperature),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_each_row_has_its_own(name, shape):
    temperatures = np.linspace(0.2, 3.0, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    seen = FUNCTIONS[name](temperatures)
    rows = np.broadcast_to(temperatures, (3, 2))
    for i, j in np.ndindex(3, 2):
        np.testing.assert_array_equal(seen[i, j], FUNCTIONS[name](float(rows[i, j]))[i, j])


def test_the_derivative_by_a_temperature_is_that_of_its_row():
    costs = jnp.array([1.0, 2.0, 4.0])

    def cost(temperatures):
        return jnp.sum(d.gumbel_softmax(LOGITS, KEY, temperatures) @ costs, axis=0)

    every = jax.jacobian(cost)(jnp.array([0.5, 2.0]))
    assert every[0, 1] == every[1, 0] == 0
    np.testing.assert_allclose(every[0, 0], jax.grad(lambda one: cost(one)[0])(0.5), rtol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(3,), (2, 3), (3, 2, 1), (4, 3, 2), (0,)])
def test_a_shape_that_fits_no_batch_is_refused(name, shape):
    sentence = rf"temperature has shape \({str(shape)[1:-1]}\); give one number, or one for each row, .* to \(3, 2\)"
    with pytest.raises(st.InputError, match=sentence):
        FUNCTIONS[name](np.ones(shape))
    with pytest.raises(st.InputError, match=sentence):
        jax.eval_shape(FUNCTIONS[name], jnp.ones(shape))


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf, 1e-45])
def test_one_row_without_a_positive_number_is_enough(wrong):
    with pytest.raises(st.InputError, match="give a finite number above 0"):
        FUNCTIONS["soft"](np.array([0.5, wrong], np.float64))
