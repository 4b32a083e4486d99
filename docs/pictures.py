"""Make the pictures of README and docs: `make pictures`. Everything is seeded, so they come out the same again."""

from pathlib import Path

import jax

import seriatim as st

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """One episode of 15 spiders and 15 flies, played by the heuristic and by its one-at-a-time rollout."""
    model = st.problems.SpidersAndFlies()
    base = model.base_policy()
    rollout = st.OneAtATimeRollout(model, base)
    for name, policy in (("heuristic", base), ("one-at-a-time", rollout)):
        played = st.simulate(model, policy, jax.random.key(0))
        path = st.drawing.save_episode(IMAGES / f"{name}.svg", model, played)
        print(f"{path.relative_to(Path.cwd())}: {int(played.length)} stages, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
