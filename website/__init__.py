"""What makes the pages of the site that no person writes: commands, keys of a config, galleries.

``mkdocs.yml`` names ``hooks.py``; mkdocs asks it for pages while it builds. The pages are made from
the registries and the command line themselves, so they cannot be behind the code.
"""
