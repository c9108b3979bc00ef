"""From a YAML document to cells and the objects that they name."""
