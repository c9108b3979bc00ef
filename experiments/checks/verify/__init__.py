"""Simulated against closed form: the simulator and the theory check each other.

``grid``     what is verified, and its simulation by either engine
``compare``  each comparison with a closed form, as a z-score
``command``  the rows, what is said of them, and their files

The two sides share the scheme's parameters, but no code that computes a time or a gradient."""
