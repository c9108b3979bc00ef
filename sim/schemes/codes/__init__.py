"""Gradient codes, exact and approximate, a family of papers a file."""
