"""What pyproject.toml cannot say: the commit, and that PyPI knows no relative addresses.

``CITATION.cff`` says where the repository is (``repository-code:``). As long as it says nothing,
the README is taken as it stands.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def repository() -> str | None:
    """The repository's address."""
    found = re.search(
        r"^repository-code: *[\"']?(https?://[^\s\"']+)",
        (HERE / "CITATION.cff").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    return found[1].rstrip("/") if found else None


def readme(address: str | None) -> str:
    """The README, with absolute addresses of pictures and documents."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    if address is None:
        return text
    text = re.sub(r'(!\[[^]]*\]\(|<img src=")(results/)', rf"\1{address}/raw/HEAD/\2", text)
    return re.sub(r"(\]\()(docs/|sim/|CITATION|CONTRIBUTING)", rf"\1{address}/blob/HEAD/\2", text)


def urls(address: str | None) -> dict[str, str]:
    """Project links."""
    links = {"Paper": "https://arxiv.org/abs/1901.09671"}
    if address is not None:
        links["Repository"] = address
        links["Changelog"] = f"{address}/blob/HEAD/CHANGELOG.md"
    return links


def note_commit() -> None:
    """Leave the commit in a package that is built, for the manifests of whoever installs it; a
    checkout asks git, and what it was at its installation would be wrong later."""
    if (HERE / ".git").exists() and {"bdist_wheel", "sdist"} & {*sys.argv}:
        command = ["git", "rev-parse", "HEAD"]
        commit = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        (HERE / "erasurehead" / "commit.txt").write_text(commit.stdout)


if __name__ == "__main__":
    from setuptools import setup

    note_commit()

    setup(
        long_description=readme(repository()),
        long_description_content_type="text/markdown",
        project_urls=urls(repository()),
    )
