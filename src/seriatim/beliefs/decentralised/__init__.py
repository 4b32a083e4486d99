"""Agents that know different things: their filters, their guesses, and their plans."""
