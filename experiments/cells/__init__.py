"""Cells: computed, checked before they run, kept on disk."""
