"""The batch engine: whole tables at once in NumPy, equal to the event engine to the bit (why, says
``docs/design.md``)."""
