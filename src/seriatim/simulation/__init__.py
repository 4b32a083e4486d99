"""The engine: simulating a team's future, one state or many at a time."""

from seriatim.simulation._q_samples import q_samples
from seriatim.simulation._settings import Simulation
from seriatim.simulation._trajectory import Trajectory, simulate

__all__ = ["Simulation", "Trajectory", "q_samples", "simulate"]
