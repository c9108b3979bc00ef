"""Schemes that use gradients or models of earlier rounds."""
