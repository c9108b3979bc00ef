"""Two results of the same schemes, round by round: ``erasurehead compare``."""
