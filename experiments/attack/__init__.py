"""``erasurehead attack``: the worst stragglers of each code of a config.

``subjects``   the codes of a config, and why other schemes are left out
``counts``     which numbers of stragglers
``table``      the numbers as a table, its columns
``picture``    the table over the number of stragglers
``shown``      the table in the terminal
``command``    all of it, into an output folder
"""
