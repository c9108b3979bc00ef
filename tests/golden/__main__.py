"""Write ``golden.json`` anew: ``python -m tests.golden``. The changelog must say why."""

import json
import tempfile
from pathlib import Path

from tests.golden.configs import documents
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

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    kept = {key: tables(document, folder) for key, document in documents(folder).items()}
    seen, words = pictures(folder), told(folder)
lines = [f'  "{key}": {json.dumps(value)}' for key, value in kept.items()]
text = ",\n".join(lines)
tried = ",\n".join(f'  "{key}": {json.dumps(value)}' for key, value in examples().items())
shown = ",\n".join(f'  "{key}": {json.dumps(value)}' for key, value in seen.items())
parts = (
    f'"machine": {json.dumps(machine())},\n"tables": {{\n{text}\n}},\n"examples": {{\n{tried}\n}}'
    f',\n"pictures": {{\n{shown}\n}},\n"told": {json.dumps(words)}'
    f',\n"offered": {json.dumps(offered())}'
    f',\n"simulated": {json.dumps({".".join(each): simulated(*each) for each in NAMES})}'
)
FILE.write_text(f"{{{parts}}}\n")
print(f"{len(kept)} configs in {FILE}")
