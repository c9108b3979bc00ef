"""``erasurehead explore``."""
