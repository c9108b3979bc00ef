"""From cells to tables: computed, kept on disk, summed up, one folder for one run."""
