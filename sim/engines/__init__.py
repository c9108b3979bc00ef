"""Engines: from a scheme and tapes to a trace. SimPy is imported here and nowhere else."""
