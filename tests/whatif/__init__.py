"""``erasurehead whatif``."""
