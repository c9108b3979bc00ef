"""Write records anew: ``python -m tests.golden fit whatif``, and without names all of them.

What is the same, on another machine nearly, stays as it stands; to write even that, delete the
record first. The changelog must say why a number moved."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.golden.records import RECORDS, read_record

ROOT = Path(__file__).parents[2]


def write_records(names: list[str]) -> int:
    """By the tests that compare them; of these names, or all. The exit code of pytest: if it is not
    0, the records are what they were."""
    marked = sorted(ROOT.glob("tests/**/test_*.py"))
    wanted = re.compile(rf"require_recorded\(\s*f?\"({'|'.join(names) or '.*'})[/\"]")
    files = [str(path) for path in marked if wanted.search(path.read_text())]
    if not files:
        known = ", ".join(sorted(path.stem for path in RECORDS.glob("*.json")))
        print(f"no test keeps a record {', '.join(names)}; there are {known}")
        return 2
    options = ["-q", "-m", "golden", "-p", "no:cacheprovider", "-p", "no:xdist"]
    options += ["-k", "not thirty_words"]  # it reads whole records, which are away meanwhile
    with tempfile.TemporaryDirectory() as before:
        for path in RECORDS.glob("*.json"):
            if not names or path.stem in names:
                path.rename(Path(before) / path.name)
        there = {
            "RECORD_NAMES": " ".join(names),
            "RECORD_BEFORE": before,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "pytest", *options, *files]
        ended = subprocess.run(command, cwd=ROOT, env=os.environ | there, check=False).returncode
        for path in sorted(RECORDS.glob("*.json")) if not ended else ():
            changed = _changed(Path(before) / path.name, path)
            if changed:
                print(f"{path.stem}: {', '.join(changed[:12])}{' ...' * (len(changed) > 12)}")
        if ended:
            for path in Path(before).glob("*.json"):
                (RECORDS / path.name).write_bytes(path.read_bytes())
    return ended


def _changed(before: Path, after: Path) -> list[str]:
    """The parts that came, went or moved."""
    if not before.exists():
        return []
    old, new = (read_record(path, renewing=True) for path in (before, after))
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


if __name__ == "__main__":
    raise SystemExit(write_records(sys.argv[1:]))
