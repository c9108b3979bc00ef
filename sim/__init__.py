"""The simulator: schemes, problems, engines, the learner and the theory beside them.

Data goes one way: a scheme and a tape of delays enter an engine, the engine's trace enters the
learner, and nothing flows back. ``sim`` never imports ``delay_models`` or ``experiments``."""

if __name__ == "sim":
    raise ImportError("sim is a part of erasurehead: write erasurehead.sim instead of sim")
