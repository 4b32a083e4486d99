"""Make the pictures of README and docs: `make pictures`. Everything is seeded, so they come out the same again."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import svg
from architecture_pictures import architecture

import seriatim as st
from seriatim.networks import policy_classifier
from seriatim.training import PolicyIteration, train

IMAGES = Path(__file__).parent / "images"


# Relaxed choices: one triangle (a simplex of three categories) for each temperature.
PROBABILITIES = (0.6, 0.3, 0.1)
TEMPERATURES = (5.0, 1.0, 0.2)
POINTS = 500
SIDE, MARGIN = 220, 24
CORNERS = np.array([[0, SIDE * 0.866], [SIDE, SIDE * 0.866], [SIDE / 2, 0]])
COLOURS = ("#0072b2", "#d55e00", "#009e73")  # M. Okabe and K. Ito, Color Universal Design, 2008


def main() -> None:
    """Make all pictures."""
    architecture()
    episodes()
    policy_iteration()
    repair()
    relaxed_choices()


def episodes() -> None:
    """One episode of 15 spiders and 15 flies, played by the heuristic and by its one-at-a-time rollout."""
    model = st.problems.SpidersAndFlies()
    base = model.base_policy()
    rollout = st.OneAtATimeRollout(model, base)
    save({"heuristic": base, "one-at-a-time": rollout}, model)


def policy_iteration() -> None:
    """One episode with wandering flies, by the heuristic and by a network after one iteration. Trains two minutes."""
    model = st.problems.SpidersAndFlies(fly_behaviour="wander")
    base = model.base_policy()
    trainer = PolicyIteration(
        model,
        base,
        policy_classifier(model, jax.random.key(0), hidden=(32, 32), entities=16),
        simulation=st.Simulation(num_samples=32),
        states=8192,
        temperature=0.15,
    )
    trained = train(trainer, jax.random.key(5), steps=trainer.steps(1))
    save({"before-iteration": base, "after-iteration": trainer.present(trained.state)[0]}, model)


def repair() -> None:
    """Four robots by the heuristic and by its one-at-a-time rollout, over beliefs."""
    world = st.problems.Repair()
    model = world.belief_model()
    base = model.base_policy()
    ahead = st.Simulation(horizon=10, num_samples=16, terminal_cost=st.problems.DamageForever(world))
    rollout = st.OneAtATimeRollout(model, base, ahead)
    save({"repair-heuristic": base, "repair-rollout": rollout}, model, stages=30)


def save(policies: dict[str, st.Policy], model: st.Model, stages: int = 400) -> None:
    """Save an episode of each, from the same start."""
    for name, policy in policies.items():
        played = st.simulate(model, policy, jax.random.key(0), horizon=stages)
        path = st.rendering.save_episode(IMAGES / f"{name}.svg", model, played)
        print(f"{path.relative_to(Path.cwd())}: {int(played.length)} stages, {path.stat().st_size:,} bytes")


def relaxed_choices() -> None:
    """Draw samples of `gumbel_softmax` on the simplex, coloured by the choice of `gumbel_max` under the same key."""
    logits = jnp.broadcast_to(jnp.log(jnp.array(PROBABILITIES)), (POINTS, 3))
    key = jax.random.key(0)
    chosen = np.asarray(st.distributions.gumbel_max(logits, key))
    parts: list[svg.Element] = []
    for column, temperature in enumerate(TEMPERATURES):
        points = np.asarray(st.distributions.gumbel_softmax(logits, key, temperature)) @ CORNERS
        parts.append(triangle(points, chosen, temperature, MARGIN + column * (SIDE + 2 * MARGIN)))
    width, height = len(TEMPERATURES) * (SIDE + 2 * MARGIN), round(CORNERS[0, 1]) + 2 * MARGIN + 26
    paper = svg.Rect(width=width, height=height, fill="#ffffff")
    picture = svg.SVG(viewBox=svg.ViewBoxSpec(0, 0, width, height), width=width, elements=[paper, *parts])
    path = IMAGES / "relaxed-choices.svg"
    path.write_text(f"{picture}\n")
    print(f"{path.relative_to(Path.cwd())}: {POINTS} points, {path.stat().st_size:,} bytes")


def triangle(points: np.ndarray, chosen: np.ndarray, temperature: float, left: int) -> svg.G:
    """Draw one cloud of points `[n, 2]`: a path of dots for each category."""
    border = svg.Polygon(points=CORNERS.round(1).ravel().tolist(), fill="none", stroke="#b9c0c8")
    dots = [
        svg.Path(
            d=[part for x, y in points[chosen == category].round(1) for part in (svg.M(x, y), svg.h(0))],
            stroke=colour,
            stroke_width=4,
            stroke_linecap="round",
            stroke_opacity=0.5,
        )
        for category, colour in enumerate(COLOURS)
    ]
    label = svg.Text(
        x=SIDE / 2,
        y=round(CORNERS[0, 1]) + 30,
        text=f"temperature {temperature:g}",
        text_anchor="middle",
        font_family="system-ui, sans-serif",
        font_size=15,
        fill="#30363d",
    )
    return svg.G(transform=[svg.Translate(left, MARGIN)], elements=[border, *dots, label])


if __name__ == "__main__":
    main()
