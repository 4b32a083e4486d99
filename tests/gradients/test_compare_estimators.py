"""The comparison: bias, variance, cost; what it prints, draws and refuses."""

import functools
import importlib.util
import inspect
import re
from pathlib import Path

import functions
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from seriatim import InputError, gradients
from seriatim.gradients._evaluations import count_evaluations

DOCUMENT = Path(__file__).parents[2] / "docs" / "gradients.md"
LOGITS = jnp.array([[0.0, 1.0, 0.3], [0.2, -0.4, 0.0]])


def stated_evaluations(estimator):
    """The number of evaluations that the docstring says: a word, or the setting that decides it."""
    said = re.search(r"(One|Two|Three|`(\w+)`) evaluations?\b", " ".join(estimator.__doc__.split()))
    assert said, "the docstring must say '<number> evaluations', or '`setting` evaluations'"
    words = {"One": 1, "Two": 2, "Three": 3}
    return words.get(said[1]) or inspect.signature(estimator).parameters[said[2]].default


@pytest.mark.parametrize("name", gradients.ESTIMATORS)
def test_the_docstring_says_bias_needs_cost_and_source(name):
    """And the cost is the one counted, and the table of the document has a line with the same bias."""
    estimator = gradients.ESTIMATORS[name]
    said = " ".join(estimator.__doc__.split())
    assert ("Unbiased" in said.split(". Needs")[0]) if estimator.unbiased else re.search("[Bb]ias", said)
    assert "Needs values" in said or "Needs the derivative" in said
    assert re.search(r"\b(19|20)\d\d\b", said)
    assert count_evaluations(estimator, LOGITS, jax.random.key(0)) == stated_evaluations(estimator)
    line = re.search(rf'^\| `"{name}"` \| (\S+)', DOCUMENT.read_text(), re.MULTILINE)
    assert line, f"{DOCUMENT.name} has no line for `{name}`"
    assert (line[1] == "yes") == estimator.unbiased


def test_evaluations_are_counted_through_maps_loops_and_settings():
    key = jax.random.key(0)
    seven = functools.partial(gradients.estimator("leave-one-out"), num_samples=7)
    assert count_evaluations(seven, LOGITS, key) == 7
    assert count_evaluations(gradients.estimator("exact"), LOGITS, key) == 9
    assert count_evaluations(functools.partial(gradients.estimator("gumbel-rao"), num_samples=50), LOGITS, key) == 1

    def five_times(function, logits, key):
        step = jax.jit(lambda total, key: (total + seven(function, logits, key)[0], None))
        return jax.lax.scan(step, 0.0, jax.random.split(key, 5))[0]

    assert count_evaluations(five_times, LOGITS, key) == 35


@pytest.fixture(scope="module")
def comparison():
    estimators = {
        "plain": gradients.estimator("score-function"),
        "relaxed": gradients.estimator("gumbel-softmax"),
        "exact": gradients.estimator("exact"),
    }
    return gradients.compare_estimators(
        functions.wavy((2, 3), 0), LOGITS, jax.random.key(0), estimators=estimators, repeats=2000
    )


def test_the_comparison_is_what_the_estimates_say(comparison):
    """Of the 2000 estimates under the same keys."""
    keys = jax.random.split(jax.random.key(0), 2000)
    plain = jax.jit(
        jax.vmap(lambda key: gradients.estimator("score-function")(functions.wavy((2, 3), 0), LOGITS, key)[1].ravel())
    )
    plain, row = np.asarray(plain(keys), np.float64), comparison.rows["plain"]
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
        (
            lambda f, x, k: gradients.estimator("exact")(f, jnp.zeros((30, 3)), k),
            "3\\*\\*30 = 2.06e\\+14 joint choices",
        ),
        (lambda f, x, k: gradients.estimator("leave-one-out")(f, x, k, num_samples=1), "num_samples=1: the baseline"),
        (lambda f, x, k: gradients.estimator("gumbel-rao")(f, x, k, num_samples=0), "num_samples=0: the Jacobian"),
        (
            lambda f, x, k: gradients.estimator("gumbel-rao")(f, x, k, temperature=0.0),
            "temperature=0.0: a relaxed choice",
        ),
        (lambda f, x, k: gradients.estimator("rebar")(f, x, k, temperature=-1.0), "temperature=-1.0: a relaxed choice"),
        (
            lambda f, x, k: gradients.estimator("gumbel-softmax")(f, x, k, temperature=0.0),
            "temperature=0.0: give a finite",
        ),
        (
            lambda f, x, k: gradients.estimator("score-function")(lambda z: z[0], x, k),
            r"shape \(3,\) for choices of shape \(2, 3\)",
        ),
        (
            lambda f, x, k: gradients.estimator("score-function")(f, jnp.zeros((2, 3), int), k),
            "dtype int32 have no gradient",
        ),
        (lambda f, x, k: gradients.compare_estimators(f, x, k, repeats=1), "repeats=1: a variance takes two"),
        (
            lambda f, x, k: gradients.compare_estimators(f, x, k, estimators=[gradients.estimator("rebar")]),
            "a list; give them by",
        ),
        (lambda f, x, k: gradients.estimator("disarm")(f, [[0.1, 0.2]], k), "logits are a list; give an array"),
        (lambda f, x, k: gradients.estimator("disarm")(f, jnp.zeros(()), k), r"shape \(\) have no categories"),
        (lambda f, x, k: gradients.estimator("rebar")(f, jnp.zeros((2, 0)), k), r"shape \(2, 0\) have no categories"),
        (
            lambda f, x, k: gradients.estimator("rebar")(f, x, k, temperature=jnp.ones(2)),
            r"shape \(2,\); give one number",
        ),
        (
            lambda f, x, k: gradients.estimator("gumbel-rao")(f, x, k, temperature="warm"),
            "temperature=warm: a relaxed choice",
        ),
        (
            lambda f, x, k: gradients.estimator("score-function")(f, x, k, baseline=jnp.ones(3)),
            r"baseline has shape \(3,\)",
        ),
        (
            lambda f, x, k: gradients.estimator("score-function")(lambda z: None, x, k),
            "function returned None for choices",
        ),
        (
            lambda f, x, k: gradients.estimator("exact")(lambda z: 1j * z[0, 0], x, k),
            "function returned a complex64 number",
        ),
        (
            lambda f, x, k: gradients.estimator("relax")(f, x, k, control_variate=lambda x: x),
            "control_variate returned an array of",
        ),
        (lambda f, x, k: gradients.estimator("pathwise")(f, x, k), "give a pair"),
        (lambda f, x, k: gradients.estimator("pathwise")(f, (x, -x), k), "give numbers from 0 up"),
        (
            lambda f, x, k: gradients.variance_gradient(gradients.estimator("rebar"), f, x, k, {"temperature": 1}),
            "settings of dtype int32 have no gradient",
        ),
        (
            lambda f, x, k: gradients.variance_gradient(gradients.estimator("rebar"), f, x, k, {"temperature": -1.0}),
            "temperature=-1.0: a relaxed choice",
        ),
    ],
)
def test_mistakes_are_named(mistake, said, without_type_checks):
    with pytest.raises(InputError, match=said):
        without_type_checks(lambda: mistake(jnp.sum, LOGITS, jax.random.key(0)))


def test_no_variables_are_one_joint_choice():
    value, gradient = jax.eval_shape(
        lambda logits: gradients.estimator("exact")(jnp.sum, logits, None), jnp.zeros((0, 3))
    )
    assert (value.shape, gradient.shape) == ((), (0, 3))
