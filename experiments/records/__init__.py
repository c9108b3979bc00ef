"""The tables that other tools read, and what they say of each other."""
