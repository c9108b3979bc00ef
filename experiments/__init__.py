"""From a config to records and pictures: the one place where names become objects."""
