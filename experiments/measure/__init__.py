"""How long real tasks take on real workers: ``erasurehead measure``."""
