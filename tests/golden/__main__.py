"""Write ``golden.json`` and the records anew: ``python -m tests.golden``, and with names of records
these alone: ``python -m tests.golden fit whatif``. The changelog must say why."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.golden.configs import documents
from tests.golden.records import RECORDS
from tests.golden.tables import (
    FILE,
    NAMES,
    examples,
    machine,
    offered,
    pictures,
    simulated,
    tables,
    told,
)

ROOT = Path(__file__).parents[2]


def write_tables() -> None:
    """The tables of each config, and what is tried, drawn, told and offered."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = {key: tables(document, folder) for key, document in documents(folder).items()}
        seen, words = pictures(folder), told()
    lines = [f'  "{key}": {json.dumps(value)}' for key, value in kept.items()]
    text = ",\n".join(lines)
    tried = ",\n".join(f'  "{key}": {json.dumps(value)}' for key, value in examples().items())
    shown = ",\n".join(f'  "{key}": {json.dumps(value)}' for key, value in seen.items())
    parts = (
        f'"machine": {json.dumps(machine())},\n"tables": {{\n{text}\n}},\n'
        f'"examples": {{\n{tried}\n}},\n"pictures": {{\n{shown}\n}},\n"told": {json.dumps(words)}'
        f',\n"offered": {json.dumps(offered())}'
        f',\n"simulated": {json.dumps({".".join(each): simulated(*each) for each in NAMES})}'
    )
    FILE.write_text(f"{{{parts}}}\n")
    print(f"{len(kept)} configs in {FILE}")


def write_records(names: list[str]) -> None:
    """By the tests that compare them; of these names, or all."""
    for path in RECORDS.glob("*.json"):
        if not names or path.stem in names:
            path.unlink()
    marked = [*ROOT.glob("tests/test_*.py"), *ROOT.glob("tests/*/test_*.py")]
    wanted = re.compile(rf"require_recorded\(\s*f?\"({'|'.join(names) or '.*'})[/\"]")
    files = sorted(str(path) for path in marked if wanted.search(path.read_text()))
    options = ["-m", "golden", "-p", "no:cacheprovider", "-p", "no:xdist"]
    there = {
        "RECORD": " ".join(names) or "all",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "pytest", *options, *files]
    subprocess.run(command, cwd=ROOT, env=os.environ | there, check=True)
    size = sum(path.stat().st_size for path in RECORDS.glob("*.json"))
    print(f"{size // 1000} kB in {RECORDS}")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        write_tables()
    write_records(sys.argv[1:])
