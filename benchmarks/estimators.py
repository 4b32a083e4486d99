"""Estimators of gradients over discrete choices on the toy problem of the literature: bias, variance and cost.

`E[(b - 0.45)^2]` for one coin b (Tucker et al., 2017), and a team of four with three controls each whose cost is not
linear in any choice. Judged by the exact gradient.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from matplotlib.figure import Figure

from benchmarks._results import publish
from seriatim import gradients

REPEATS = 50_000
PROBLEMS = {"toy": jnp.array([0.0, 1.0]), "team": jnp.linspace(-1.0, 1.0, 12).reshape(4, 3)}
COLUMNS = {
    "problem": "",
    "estimator": "",
    "bias / exact": ".3f",
    "± by chance": ".3f",
    "variance": ".3g",
    "evaluations": "d",
    "variance x evaluations": ".3g",
    "µs": ".2g",
}
ESTIMATORS = {
    "score function": gradients.estimator("score-function"),
    "leave-one-out, 2": gradients.estimator("leave-one-out"),
    "leave-one-out, 8": functools.partial(gradients.estimator("leave-one-out"), num_samples=8),
    "DisARM": gradients.estimator("disarm"),
    "REBAR, T = 1": gradients.estimator("rebar"),
    "REBAR, T = 4": functools.partial(gradients.estimator("rebar"), temperature=4.0),
    "straight-through": gradients.estimator("straight-through"),
    "Gumbel-softmax, T = 1": gradients.estimator("gumbel-softmax"),
    "Gumbel-softmax, T = 0.1": functools.partial(gradients.estimator("gumbel-softmax"), temperature=0.1),
    "straight-through Gumbel, T = 1": gradients.estimator("straight-through-gumbel-softmax"),
    "straight-through Gumbel, T = 0.1": functools.partial(
        gradients.estimator("straight-through-gumbel-softmax"), temperature=0.1
    ),
    "Gumbel-Rao, T = 1": gradients.estimator("gumbel-rao"),
    "Gumbel-Rao, T = 0.1": functools.partial(gradients.estimator("gumbel-rao"), temperature=0.1),
}


def main(*, redraw: bool = False) -> None:
    publish("estimators", COLUMNS, measure, draw=draw, redraw=redraw, page="gradients.md")


def cost(choices: Any) -> Any:
    """One coin: (b - 0.45)^2. A team: agents want to spread over three places, and the mean place near 1.2."""
    if choices.shape == (2,):
        return (choices[1] - 0.45) ** 2
    crowd = jnp.sum(choices, axis=0)
    return jnp.sum(crowd**2) / 4 + jnp.tanh(crowd @ jnp.arange(3.0) / 4 - 1.2) ** 2


def measure() -> list[dict[str, Any]]:
    found = []
    for problem, logits in PROBLEMS.items():
        comparison = gradients.compare_estimators(
            cost, logits, jax.random.key(0), estimators=ESTIMATORS, repeats=REPEATS
        )
        length = float(jnp.linalg.norm(comparison.gradient))
        for name, row in comparison.rows.items():
            found.append(
                {
                    "problem": problem,
                    "estimator": name,
                    "bias / exact": row.bias / length,
                    "± by chance": row.standard_error / length,
                    "variance": row.variance,
                    "evaluations": row.evaluations,
                    "variance x evaluations": row.variance * row.evaluations,
                    "µs": row.microseconds,
                }
            )
    return found


def draw(rows: list[Any]) -> Figure:
    """Bias and variance, the toy problem above, the team below."""
    figure = Figure(figsize=(9, 7), layout="constrained")
    for axes, problem in zip(figure.subplots(2, 1), PROBLEMS, strict=True):
        mine = [row for row in rows if row["problem"] == problem]
        places = range(len(mine))
        axes.barh(places, [row["variance x evaluations"] for row in mine], color="tab:blue", alpha=0.6)
        axes.set_xscale("log")
        axes.set_yticks(places, [row["estimator"] for row in mine])
        axes.invert_yaxis()
        axes.set_title(f"{problem}: variance x evaluations (bars), bias / exact gradient (figures)", loc="left")
        for place, row in zip(places, mine, strict=True):
            seen = row["bias / exact"] > 3 * row["± by chance"]
            said = f"bias {row['bias / exact']:.0%}" if seen else "no bias seen"
            axes.text(1.01, place, said, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
