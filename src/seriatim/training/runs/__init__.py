"""Runs: directories that keep a training, so that it can be understood, resumed and used."""
