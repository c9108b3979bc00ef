"""``erasurehead cite``: what a paper says of a result, from its manifest."""

from __future__ import annotations

import json
from pathlib import Path

from .config.errors import ConfigError
from .run.outputs import MANIFEST, required_origin, seeds_of
from .text import line

# the paper of ``CITATION.cff``, which is not in a wheel
PAPER = """@article{wang2019erasurehead,
  title = {{ErasureHead}: Distributed Gradient Descent without Delays Using Approximate Gradient Coding},
  author = {Wang, Hongyi and Charles, Zachary and Papailiopoulos, Dimitris},
  journal = {arXiv preprint arXiv:1901.09671},
  year = {2019}
}"""  # noqa: E501
SOFTWARE = """@software{{erasurehead_simulator,
  title = {{ErasureHead simulator}},
  author = {{{{The ErasureHead simulator authors}}}},
  version = {{{version}}},{commit}
  year = {{{year}}}
}}"""
NAMED = ("python", "numpy", "scipy", "simpy", "scikit-learn")  # libraries that make the numbers


def citation(result: Path) -> str:
    """BibTeX, and a sentence with versions, seeds and machine. Raises ConfigError: no result."""
    origin = required_origin(result)
    try:
        manifest = json.loads((result / MANIFEST).read_bytes())
        versions, machine = manifest["versions"], manifest.get("machine") or {}
        version, commit = versions["erasurehead-simulator"], manifest.get("commit")
        libraries = ", ".join(f"{name} {versions[name]}" for name in NAMED if versions.get(name))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{result / MANIFEST}: cannot be read: {error!r}") from None
    date = str(manifest.get("date") or "")
    changed = " with changes" if manifest.get("dirty") else ""
    note = f"\n  note = {{commit {commit}{changed}}}," if commit else ""
    where = [manifest.get("host"), *(machine.get(key) for key in ("processor", "system", "blas"))]
    done = "Measured on real workers" if "live" in manifest else "Simulated"
    of = f" (commit {commit[:12]}{changed})" if commit else ""
    sentence = (
        f"{done} with erasurehead-simulator {version}{of}, {libraries}; "
        f"seeds: {seeds_of(manifest)}; computed on {', '.join(str(w) for w in where if w)}"
        f"{f' on {date[:10]}' if date else ''}; config {origin.config}, cells {origin.cells}."
    )
    software = SOFTWARE.format(version=version, commit=note, year=date[:4] or "n.d.")
    return "\n\n".join([PAPER, software, line(sentence, 10**4)])
