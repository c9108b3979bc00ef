"""Speed, as ratios measured in one process: absolute times drift with the machine, ratios less."""
