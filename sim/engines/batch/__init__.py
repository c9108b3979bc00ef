"""The batch engine: whole tables at once in NumPy, equal to the event engine to the bit.

Why the bits agree: both engines only add, compare and take minima and maxima; a worker's time is
one float, computed once by the load law; the clock is a running sum with the same additions in the
same order; every message of the stopping instant counts."""
