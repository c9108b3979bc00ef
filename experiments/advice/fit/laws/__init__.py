"""The mathematics of ``fit``: families of delays, workers, loads, and how well they fit."""
