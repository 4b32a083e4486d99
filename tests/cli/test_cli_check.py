"""`seriatim check`: a line for each law, and the method that is wrong by its name."""

import json

import pytest

# What is changed in a lawful model, and the sentence about it.
BROKEN = {
    "transition": (
        ("after.astype(jnp.int32)", "1.0 * after"),
        "Countdown.transition(...).state is float32[], where int32[] is expected",
    ),
    "control_mask": (
        ("jnp.ones((self.num_agents, self.num_controls), bool)", "jnp.ones(self.num_agents, bool)"),
        "Countdown.control_mask returned bool[2]; bool[2, 2] is expected",
    ),
    "sample_disturbance": (
        ("return jax.random.uniform(key)", "return 'luck'"),
        "Countdown.sample_disturbance",
    ),
    "initial_state": (("return jnp.int32(self.start)", "return None.x"), "Countdown.initial_state raised"),
    "discount": (("discount: float = 0.9", "discount: float = 1.5"), "Countdown.discount is 1.5; a number above 0"),
    "cost": (("1.0 * state,", "jnp.log(-1.0 * state),"), "stage cost nan"),
    "base": (("jnp.array([1, 0], jnp", "jnp.array([1, 2], jnp"), "chose control 2 for agent 1"),
}


@pytest.mark.parametrize(("change", "sentence"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_named_in_the_table_and_on_standard_error(
    seriatim, write, refused, without_type_checks, change, sentence
):
    result = without_type_checks(lambda: seriatim("check", f"{write(change)}:Countdown"))
    refused(result, "")
    assert sentence in result.err
    assert "wrong" in result.out


def test_a_lawful_model_passes_every_law_that_concerns_it(seriatim, write):
    result = seriatim("check", f"{write()}:Countdown", "--format", "json", "--seed", "1")
    assert (result.status, result.err) == (0, "")
    found = json.loads(result.out)
    assert found["ok"] is True
    assert {law["passed"] for law in found["findings"]} == {True, None}
    assert {law["law"] for law in found["findings"]} >= {"sizes and discount", "policy's controls are admissible"}


def test_json_of_a_broken_model_says_which_law(seriatim, write, without_type_checks):
    file = write(BROKEN["discount"][0])
    result = without_type_checks(lambda: seriatim("check", f"{file}:Countdown", "--format", "json"))
    found = json.loads(result.out)
    assert (result.status, found["ok"]) == (2, False)
    assert [law["law"] for law in found["findings"] if law["passed"] is False] == ["sizes and discount"]


def test_a_model_may_be_checked_without_a_base_policy(seriatim, write):
    result = seriatim("check", f"{write(('def base_policy', 'def heuristic'))}:Countdown")
    assert result.status == 0
    assert "--base names one" in result.out


def test_another_base_policy_is_checked_in_its_place(seriatim, write):
    file = write(("jnp.array([1, 0], jnp", "jnp.array([1, 2], jnp"))
    result = seriatim("check", f"{file}:Countdown", "--base", "all_work")
    assert result.status == 0
