"""Delay laws: what a config's ``delay`` can name, as classes. Times are seconds.

    ShiftedExponential(shift=0.5, rate=1.0)

A law of your own derives from ``DelayModel`` (``docs/howto/own_delay_law.md``). A wrong field
raises ``erasurehead.ConfigError``."""

from erasurehead.delay_models import *  # noqa: F403
