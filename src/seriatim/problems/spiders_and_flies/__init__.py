"""Spiders and flies: the field's standard example of a team that must share out its work."""
