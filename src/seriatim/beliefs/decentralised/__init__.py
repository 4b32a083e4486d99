"""Agents that know different things: their filters, what they guess, and how they plan."""
