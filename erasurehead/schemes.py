"""Schemes: what a config's ``schemes`` can name, as classes. Every field is given by name.

    ErasureHead(load=3, wait_for=6)

``help(ErasureHead)`` has fields, times, errors and sources. A scheme of your own derives from
``SchemeFamily`` (``docs/howto/own_code.md``). A wrong field raises ``erasurehead.ConfigError``."""

from erasurehead.sim.schemes import *  # noqa: F403
