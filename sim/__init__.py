"""The simulator: schemes, problems, engines, the learner and the theory beside them."""

if __name__ == "sim":
    raise ImportError("sim is a part of erasurehead: write erasurehead.sim instead of sim")
