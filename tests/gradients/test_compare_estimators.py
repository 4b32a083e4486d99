"""The comparison: bias, variance, cost; what it prints, draws and refuses."""

import functools
import importlib.util

import functions
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from seriatim import InputError, gradients

EVALUATIONS = {
    "score-function": 1,
    "leave-one-out": 2,
    "disarm": 2,
    "rebar": 2,
    "relax": 1,
    "straight-through": 1,
    "gumbel-softmax": 1,
    "straight-through-gumbel-softmax": 1,
    "gumbel-rao": 1,
}
LOGITS = jnp.array([[0.0, 1.0, 0.3], [0.2, -0.4, 0.0]])


@pytest.mark.parametrize("name", gradients.ESTIMATORS)
def test_evaluations_are_those_the_documentation_states(name):
    assert gradients.count_evaluations(gradients.ESTIMATORS[name], LOGITS, jax.random.key(0)) == EVALUATIONS[name]


def test_evaluations_are_counted_through_maps_loops_and_settings():
    key = jax.random.key(0)
    seven = functools.partial(gradients.leave_one_out, num_samples=7)
    assert gradients.count_evaluations(seven, LOGITS, key) == 7
    assert gradients.count_evaluations(gradients.exact, LOGITS, key) == 9
    assert gradients.count_evaluations(functools.partial(gradients.gumbel_rao, num_samples=50), LOGITS, key) == 1

    def five_times(function, logits, key):
        step = jax.jit(lambda total, key: (total + seven(function, logits, key)[0], None))
        return jax.lax.scan(step, 0.0, jax.random.split(key, 5))[0]

    assert gradients.count_evaluations(five_times, LOGITS, key) == 35


@pytest.fixture(scope="module")
def comparison():
    estimators = {"plain": gradients.score_function, "relaxed": gradients.gumbel_softmax, "exact": gradients.exact}
    return gradients.compare_estimators(
        functions.wavy((2, 3), 0), LOGITS, jax.random.key(0), estimators=estimators, repeats=2000
    )


def test_the_comparison_is_what_the_estimates_say(comparison):
    """Of the 2000 estimates under the same keys."""
    keys = jax.random.split(jax.random.key(0), 2000)
    plain = jax.vmap(lambda key: gradients.score_function(functions.wavy((2, 3), 0), LOGITS, key)[1].ravel())(keys)
    plain, row = np.asarray(plain, np.float64), comparison.rows["plain"]
    assert row.variance == pytest.approx(plain.var(axis=0, ddof=1).sum(), rel=1e-4)
    assert row.bias == pytest.approx(np.linalg.norm(plain.mean(axis=0) - comparison.gradient.ravel()), rel=1e-3)
    assert row.standard_error == pytest.approx((row.variance / 2000) ** 0.5)
    assert row.evaluations == 1
    assert row.microseconds > 0


def test_exact_has_neither_bias_nor_variance_and_relaxation_has_bias(comparison):
    assert comparison.rows["exact"].bias < 1e-6
    assert comparison.rows["exact"].variance < 1e-12
    assert comparison.rows["relaxed"].bias > 5 * comparison.rows["relaxed"].standard_error


def test_it_prints_as_a_table(comparison):
    console = Console(width=120)
    with console.capture() as captured:
        console.print(comparison)
    for printed in (captured.get(), str(comparison)):
        assert all(word in printed for word in ("plain", "relaxed", "exact", "bias", "variance", "evaluations"))
        assert "2000 estimates each" in printed


def test_it_draws_a_plot_or_says_what_is_missing(comparison, tmp_path):
    if importlib.util.find_spec("matplotlib") is None:
        with pytest.raises(InputError, match="pip install matplotlib"):
            comparison.plot()
        return
    comparison.plot().savefig(tmp_path / "estimators.svg")
    assert "variance" in (tmp_path / "estimators.svg").read_text()


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda f, x, k: gradients.exact(f, jnp.zeros((30, 3)), k), "3\\*\\*30 = 2.06e\\+14 joint choices"),
        (lambda f, x, k: gradients.leave_one_out(f, x, k, num_samples=1), "num_samples=1: the baseline"),
        (lambda f, x, k: gradients.gumbel_rao(f, x, k, num_samples=0), "num_samples=0: the Jacobian"),
        (lambda f, x, k: gradients.gumbel_rao(f, x, k, temperature=0.0), "temperature=0.0: a relaxed choice"),
        (lambda f, x, k: gradients.rebar(f, x, k, temperature=-1.0), "temperature=-1.0: a relaxed choice"),
        (lambda f, x, k: gradients.gumbel_softmax(f, x, k, temperature=0.0), "temperature=0: give a finite"),
        (lambda f, x, k: gradients.score_function(lambda z: z[0], x, k), r"shape \(3,\) for choices of shape \(2, 3\)"),
        (lambda f, x, k: gradients.score_function(f, jnp.zeros((2, 3), int), k), "dtype int32 have no gradient"),
        (lambda f, x, k: gradients.compare_estimators(f, x, k, repeats=1), "repeats=1: a variance takes two"),
    ],
)
def test_mistakes_are_named(mistake, said):
    with pytest.raises(InputError, match=said):
        mistake(jnp.sum, LOGITS, jax.random.key(0))
