"""Statistics of measured rounds: intervals, spells, and who stands out from chance."""
