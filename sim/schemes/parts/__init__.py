"""What schemes are composed of: assignments, decoders, stopping rules."""
