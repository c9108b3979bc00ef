"""Pages of commands that do not have one of their own yet."""
