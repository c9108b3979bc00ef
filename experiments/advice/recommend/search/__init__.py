"""The search of ``recommend``: candidates, how each is measured, who goes on."""
