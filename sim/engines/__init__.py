"""Engines: from a run to a trace. ``run`` holds the one way to call them."""
