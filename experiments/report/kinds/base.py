"""What a kind of report is, and what several kinds read alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from ...page.content import Page


class ReportKind(ABC):
    """Reads the results of one command, or of several alike; abstract."""

    name: ClassVar[str]
    """What the results are called."""

    @abstractmethod
    def holds(self, directory: Path) -> bool:
        """Whether a folder holds such a result, finished or not."""

    @abstractmethod
    def read(self, directory: Path) -> Page:
        """Everything that the page says.

        Raises:
            ConfigError: the result is not whole.
        """
