"""Thousands of broken inputs, each made from its number, and what a good ending of each is.

``python -m tests.fuzz configs 0:2000`` runs cases, ``python -m tests.fuzz configs 1234 --keep DIR``
leaves one behind to be looked at. A case is made from its kind and number alone.
"""
