"""Fits of rounds that ended before everybody was heard."""
