"""Advice on a measured cluster: why its steps are slow, and what would help."""
