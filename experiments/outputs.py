"""An output folder tells one story: that of the config which lies in it.

Cells are named by content, so those of another config do no harm, and stay: a sweep with one more
value computes one more value, and going back to the config before costs nothing. Tables, manifest,
timeline and pictures are of one config, and go before another one's are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from experiments.cells.files import cannot_write

CONFIG = "config.yaml"
MANIFEST = "manifest.json"
ITERATIONS, SUMMARY, WORKERS = "iterations.parquet", "summary.parquet", "workers.parquet"
TIMELINES = ("timeline.parquet", "timeline.json")

PLOTS = "plots"
PICTURES = (".png", ".svg", ".pdf")


def make_way(output: Path, config: str) -> bool:
    """Remove what another config has left in ``output``; its finished cells stay.

    Args:
        output: where a run is going to write.
        config: its resolved config.

    Returns:
        Whether there was something to remove.

    Raises:
        ConfigError: it cannot be removed.
    """
    old = [*_made_of_one_config(output)]
    if not old or _config_of(output) == config:
        return False
    for path in old:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from None
    return True


def _made_of_one_config(output: Path) -> Iterator[Path]:
    for name in (ITERATIONS, SUMMARY, WORKERS, MANIFEST, *TIMELINES):
        if (output / name).is_file():
            yield output / name
    if (output / PLOTS).is_dir():
        yield from (path for path in (output / PLOTS).iterdir() if path.suffix in PICTURES)


def _config_of(output: Path) -> str | None:
    try:
        return (output / CONFIG).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
