"""The program: what each command is called, its options, and the small commands."""
