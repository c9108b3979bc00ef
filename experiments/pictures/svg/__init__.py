"""Draws what a picture shows as SVG for a page in the browser, with the values for a pointer.

The other renderer is ``experiments.pictures.paint``, which draws the same pictures with matplotlib.
"""
