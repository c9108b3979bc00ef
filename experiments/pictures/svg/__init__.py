"""Draws what a picture shows as SVG for a page in the browser, with the values for a pointer. The
other renderer, with matplotlib, is ``experiments.pictures.paint``."""
