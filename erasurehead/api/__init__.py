"""The functions and results of ``erasurehead``; it gives each name when it is first used."""
