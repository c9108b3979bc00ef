"""From updates to losses: steps, optimizers, problems, and the learner."""
