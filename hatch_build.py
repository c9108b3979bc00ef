"""What pyproject.toml cannot say of a build: addresses, the commit, and links of editable installs.

In the repository the folder ``sim`` stands beside ``erasurehead``, and installed it stands in it.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

PARTS = ("sim", "delay_models", "experiments")


def make_link(link: Path, target: Path) -> None:
    """Give a folder another name. Windows has junctions, which need no special rights."""
    if link.is_symlink() or link.is_file():  # an old link, or what git writes for one on Windows
        link.unlink()
    if link.exists():
        return
    if os.name == "nt":
        import _winapi

        _winapi.CreateJunction(str(target), str(link))
    else:
        link.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)


class CustomBuildHook(BuildHookInterface):
    """Writes the commit into a package that is built, and the links of an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each build; ``version`` is ``editable`` for ``pip install -e``."""
        root = Path(self.root)
        if version == "editable":
            (root / ".editable").mkdir(exist_ok=True)
            make_link(root / ".editable" / "erasurehead", root / "erasurehead")
            for part in PARTS:
                make_link(root / "erasurehead" / part, root / part)
        elif (root / ".git").exists():
            command = ["git", "rev-parse", "HEAD"]
            commit = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
            (root / "erasurehead" / "commit.txt").write_text(commit.stdout)


class CustomMetadataHook(MetadataHookInterface):
    """README and project links with absolute addresses, since PyPI knows no relative ones.

    The line ``repository-code:`` of CITATION.cff says where the repository is. Without it, the
    README is taken as it stands.
    """

    def update(self, metadata: dict[str, Any]) -> None:
        """Called with the metadata of pyproject.toml, to which it adds ``readme`` and ``urls``."""
        root = Path(self.root)
        citation = (root / "CITATION.cff").read_text(encoding="utf-8")
        readme = (root / "README.md").read_text(encoding="utf-8")
        urls = {"Paper": "https://arxiv.org/abs/1901.09671"}
        found = re.search(
            r"^repository-code: *[\"']?(https?://[^\s\"']+)", citation, flags=re.MULTILINE
        )
        if found:
            address = found[1].rstrip("/")
            pictures = r'(!\[[^]]*\]\(|<img src=")(results/)'
            documents = r"(\]\()(docs/|sim/|CITATION|CONTRIBUTING)"
            readme = re.sub(pictures, rf"\1{address}/raw/HEAD/\2", readme)
            readme = re.sub(documents, rf"\1{address}/blob/HEAD/\2", readme)
            urls["Repository"] = address
            urls["Changelog"] = f"{address}/blob/HEAD/CHANGELOG.md"
        metadata["urls"] = urls
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
