"""``erasurehead attack``: the worst stragglers of each code of a config."""
