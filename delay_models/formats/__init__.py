"""What stands in a file that holds measured delays, as columns and numbers: texts, Parquet, arrays,
JSON, traces of a profiler. What the columns are is found in ``delay_models.tables``."""
