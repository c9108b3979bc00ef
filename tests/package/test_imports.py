"""``import erasurehead`` is quick, and offers what it says."""

from __future__ import annotations

import subprocess
import sys

import pytest

import erasurehead as eh


def test_every_public_name_is_there() -> None:
    for name in eh.__all__:
        assert getattr(eh, name) is not None
    assert dir(eh) == sorted(eh.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'runn'"):
        eh.runn  # noqa: B018


def test_importing_it_imports_no_heavy_library() -> None:
    code = "import sys, erasurehead; print(*{'numpy', 'pandas', 'pydantic'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
