"""Repair: a team of robots inspects and repairs sites whose damage it knows only in distribution."""
