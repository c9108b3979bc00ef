"""``erasurehead explore``: a local page with sliders over theory and the batch engine."""
