"""The kinds of results that a report can be made of.

To add a kind: write one file with one ``ReportKind`` and add one line here. The first that finds
its files in a folder makes the page.
"""

from __future__ import annotations

from .base import ReportKind
from .compare import CompareReport
from .fit import FitReport
from .recommend import RecommendReport
from .run import RunReport
from .whatif import WhatIfReport

KINDS: dict[str, ReportKind] = {
    kind.name: kind
    for kind in (FitReport(), WhatIfReport(), CompareReport(), RecommendReport(), RunReport())
}
