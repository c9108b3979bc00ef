"""The event engine: a SimPy simulation of every worker and message. The ground truth.

SimPy is imported here and nowhere else."""
