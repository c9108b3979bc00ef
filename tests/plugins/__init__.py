"""Five schemes that a stranger might write, each one plugin file; the tests run them as such."""
