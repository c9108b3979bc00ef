"""Engines: from a ``Run`` to its trace. ``simulate`` holds the only way to call them."""
