"""The kinds of results that a report can be made of.

To add a kind: write one file with one ``ReportKind`` and add one line here. The first that finds
its files in a folder makes the page.
"""

from __future__ import annotations

from experiments.report.kinds.base import ReportKind
from experiments.report.kinds.compare import CompareReport
from experiments.report.kinds.fit import FitReport
from experiments.report.kinds.recommend import RecommendReport
from experiments.report.kinds.run import RunReport
from experiments.report.kinds.whatif import WhatIfReport

KINDS: dict[str, ReportKind] = {
    kind.name: kind
    for kind in (FitReport(), WhatIfReport(), CompareReport(), RecommendReport(), RunReport())
}
