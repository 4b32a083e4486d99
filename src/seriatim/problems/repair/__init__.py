"""Repair: a team of robots inspects and repairs sites, of whose damage it knows only the distribution."""
