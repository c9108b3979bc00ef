"""Modules that plugins of version 0.3 import and that have moved since: imported by ``catalogue``
alone, and deleted as a whole with version 0.5."""

PLUGINS = "erasurehead.plugins"
SCHEMES = "erasurehead.schemes"

MOVED_MODULES = {
    **dict.fromkeys(
        (
            "erasurehead.sim.errors",
            "erasurehead.sim.fields",
            "erasurehead.sim.numerics",
            "erasurehead.sim.steps",
            "erasurehead.sim.types",
            "erasurehead.sim.schemes.assignments",
            "erasurehead.sim.schemes.deadlines",
            "erasurehead.sim.schemes.decoders",
            "erasurehead.sim.schemes.stop",
            "erasurehead.sim.schemes.stopping",
        ),
        PLUGINS,
    ),
    **dict.fromkeys(
        (
            "erasurehead.sim.schemes.codes",
            "erasurehead.sim.schemes.cyclic",
            "erasurehead.sim.schemes.erasurehead",
            "erasurehead.sim.schemes.exact_codes",
            "erasurehead.sim.schemes.graph_codes",
            "erasurehead.sim.schemes.local_sgd",
            "erasurehead.sim.schemes.random_codes",
            "erasurehead.sim.schemes.sequential",
            "erasurehead.sim.schemes.stale_gradients",
        ),
        SCHEMES,
    ),
    "erasurehead.sim.optimizers": "erasurehead.optimizers or erasurehead.plugins",
    "erasurehead.sim.problems": "erasurehead.problems or erasurehead.plugins",
}
"""Where the names of each module are now, by the module's name in 0.3."""
