"""The same config on real workers: ``erasurehead live``."""
