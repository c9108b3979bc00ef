"""Checks: simulated against closed forms, what every scheme keeps, the worst stragglers."""
