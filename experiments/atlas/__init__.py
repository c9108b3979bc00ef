"""The atlas: one page that says of every scheme what is known of it, made from the registry.

What a scheme's section says stands in its class's docstring: the prose, the fields (``Args``) and
the ``Facts``. A new scheme has its section when it has its line in the registry.
"""
