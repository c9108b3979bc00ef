"""What a record keeps of a table, a picture, a page, a figure or a text: plain data in a few lines.

The rows that are kept of a long table are chosen by what stands in them, so that a row more moves
no others.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from erasurehead.experiments.page import folder
from erasurehead.experiments.page.content import Page
from erasurehead.experiments.pictures.layout import TrueTypeFigure
from erasurehead.experiments.pictures.looks import Look
from erasurehead.experiments.pictures.picture import Fill, Picture
from tests.golden.machine import hash_of

WHOLE = 160  # cells of a table that are kept all; of a larger one some rows
KEPT_ROWS = 5
LONG, LINES, ROWS = 600, 60, 5  # letters of a line, lines, and rows in them, that are kept
LISTED = 12  # entries of a list that are kept all
NUMBER = re.compile(r"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")
FOLDERS = re.compile(r"(?<![\w<.)])/(?:[\w.+-]+/)+")
PICTURE = re.compile(r"<svg[^>]*><desc.*?</svg>", flags=re.DOTALL)
ELEMENT = re.compile(r"<(\w+)([^<>]*)>")


def kept_of(value: Any) -> Any:
    """Plain data; of a value that no record knows the value itself."""
    return KEEPERS.get(type(value), lambda plain: plain)(value)


def folder_of(directory: Path, *others: str) -> dict[str, Any]:
    """Tables of a folder of results, and these files of it, without paths."""
    found = dict[str, Any]()
    for path in sorted(directory.iterdir()):
        if path.suffix == ".parquet":
            found[path.name] = pd.read_parquet(path)
        elif path.suffix == ".csv" and not path.with_suffix(".parquet").exists():
            found[path.name] = pd.read_csv(path)
        elif path.name in others:
            found[path.name] = clean(path.read_text())
    return found


def clean(text: str) -> str:
    """Without the folders of absolute paths."""
    return FOLDERS.sub("~/", text)


def html_of(page: str) -> dict[str, str]:
    """Of each picture its elements and their numbers; of the rest how often each element is."""
    found: dict[str, str] = {}
    for text in re.findall(PICTURE, page):
        elements: dict[str, list[str]] = {"words": re.split(r"<[^<>]*>", text)}
        for tag, attributes in ELEMENT.findall(text):
            elements.setdefault(tag, []).append(attributes)
        sums = (f"{tag}{_sums(texts)}" for tag, texts in elements.items() if len(texts) > 1)
        # By what it shows: a picture more moves no others.
        name = f"svg {re.sub('<.*?>', '', text.partition('</desc>')[0])[:60]}"
        name += f" ({sum(other.startswith(name) for other in found) + 1})"
        found[name] = f"{hash_of(text)} {'; '.join(sums)}"
    count = Counter(tag for tag, _ in ELEMENT.findall(re.sub(PICTURE, "", page)))
    return {**found, "others": " ".join(f"{tag}:{number}" for tag, number in count.items())}


def _sums(texts: list[str]) -> str:
    return _some("", [float(each) for text in texts for each in NUMBER.findall(text)])


def _json(value: Any) -> str:
    return clean(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _table(frame: pd.DataFrame) -> dict[str, Any]:
    """Of each column the values, or the sum and some of them."""
    chosen = np.arange(len(frame))
    if frame.size > WHOLE and len(frame) > KEPT_ROWS:
        texts = frame.select_dtypes(exclude="number").drop(columns="cell", errors="ignore")
        keys = [hash_of(" ".join(map(str, row))) for row in texts.itertuples(index=False)]
        first = {key: row for row, key in reversed([*enumerate(keys)])}
        chosen = np.linspace(0, len(frame) - 1, KEPT_ROWS).astype(int)
        if len(first) >= KEPT_ROWS:  # by what stands in them: a row more moves no others
            chosen = np.sort([first[key] for key in sorted(first)[:KEPT_ROWS]])
    found: dict[str, Any] = {"": len(frame)}
    for name, column in frame.drop(columns="cell", errors="ignore").items():
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = column.to_numpy(np.float64, na_value=np.nan)
            kept = [_digits(values[row], 10) for row in chosen]
            whole = _digits(values[np.isfinite(values)].sum(), 10)
        else:
            kept = ["" if pd.isna(value) else str(value) for value in column.iloc[[*chosen]]]
            whole = f"{column.astype(str).nunique()} different"
        same = len({*kept}) == 1 and len(kept) > 2
        short: Any = f"all {kept[0]}" if same else kept
        found[str(name)] = short if len(chosen) == len(frame) else {"sum": whole, "rows": short}
    return found


def _digits(value: float, digits: int = 6) -> str:
    return f"{value + 0.0:.{digits}g}"


def _some(name: str, values: Any) -> str:
    """Of many numbers how many, the first, the last, the sum, and the sum weighed by place."""
    flat = np.asarray(values, dtype=float).ravel()
    if len(flat) < 5:
        return f"{name}=[{' '.join(map(_digits, flat))}]"
    known = np.where(np.isfinite(flat), flat, 0.0)
    told = (flat[0], flat[-1], known.sum(), known @ np.linspace(0, 1, len(flat)))
    return f"{name}=[{len(flat)}: {' '.join(map(_digits, told))}]"


def _picture(picture: Picture) -> dict[str, Any]:
    """The picture's own settings, and of each panel its axes, and a line for each mark."""
    found: dict[str, Any] = {"": _settings(picture, "panels")}
    for place in {0: 0, len(picture.panels) - 1: 0}:  # those between are made as these are
        panel = picture.panels[place]
        axes = [f"{side}: {_settings(getattr(panel, side))}" for side in "xy"]
        marks = [f"{type(mark).__name__} {_settings(mark)}" for mark in panel.marks]
        found[f"panel {place}"] = [_settings(panel, "x", "y", "marks"), *axes, *marks]
    return found


def _settings(of: Any, *without: str) -> str:
    """Fields of a dataclass that are not what they are by default, nor empty."""
    told = []
    for one in fields(of):
        value = getattr(of, one.name)
        usual = np.ndim(value) == 0 and value == one.default
        if one.name not in without and not usual and not (np.ndim(value) and not np.size(value)):
            told.append(_setting(one.name, value))
    return " ".join(told)


def _setting(name: str, value: Any) -> str:
    """Numbers in short; of many texts four, and a hash of all."""
    match value:
        case np.ndarray():
            return _some(name, value)
        case Look() | Fill():
            return f"{name}=({' '.join(str(each) for each in vars(value).values())})"
        case frozenset():
            return _setting(name, sorted(value))
        case tuple() | list():
            if all(isinstance(each, float | int) for each in value):
                return _some(name, value)
            texts = [str(each) for each in value]
            if len(texts) > LISTED:
                texts = [*texts[:3], f"... {len(texts)} {hash_of(_json(texts))}", texts[-1]]
            return f"{name}={_json(texts)}"
        case float():
            return f"{name}={_digits(value)}"
    return f"{name}={value}"


def _page(page: Page) -> dict[str, Any]:
    """Words and tables as Markdown has them, a paragraph a line; charts as pictures."""
    short = replace(page, config="", method=())
    said = folder.as_markdown(short, {name: name for name in page.charts}, width=100_000)
    found: dict[str, Any] = {"words": _told(said)}
    found["again"] = [f"{each.words} {each.line}" for each in page.repeats]
    return found | {ident: _picture(chart.picture) for ident, chart in page.charts.items()}


def _told(text: str) -> list[str]:
    """Lines without the blanks of columns; of a long one, and of many, the beginning; of the rows
    of a table their numbers."""
    lines = [re.sub(r" +", " ", line).strip() for line in clean(text).splitlines()]
    found = list[str]()
    for is_row, each in itertools.groupby(lines, lambda line: line.startswith("|")):
        part = [line for line in each if line.strip("|- ")]
        found += part if not is_row or len(part) < ROWS else [*part[:2], f"...{_sums(part)}"]
    cut = [line if len(line) < LONG else f"{line[: LONG // 4]}...{_sums([line])}" for line in found]
    return cut if len(cut) < LINES else [*cut[:ROWS], f"...{_sums(cut)}"]


def _figure(figure: Figure) -> dict[str, Any]:
    """Its size, the boxes and ticks of axes, and each text with its place and size."""
    figure.draw_without_rendering()  # type: ignore[no-untyped-call]
    found: dict[str, Any] = {"size": _some("size", figure.get_size_inches())}
    for place, axes in enumerate(figure.axes):
        box = _some("box", axes.get_position().bounds)
        ticks = [_some("x", axes.get_xticks()), _some("y", axes.get_yticks())]
        limits = _some("limits", [*axes.get_xlim(), *axes.get_ylim()])
        found[f"axes {place}"] = [box, *ticks, limits, *_artists(axes)]
    shown = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    boxes = [(text.get_fontsize(), text.get_window_extent()) for text in shown if text.get_text()]
    for name, numbers in {
        "from left": [round(box.x0, 1) for _, box in boxes],
        "from below": [round(box.y0, 1) for _, box in boxes],
        "sizes": [size for size, _ in boxes],
    }.items():
        found[f"texts {name}"] = _some("", numbers)
    return found


def _artists(axes: Axes) -> Iterator[str]:
    """Of each kind how many, with the sums of their orders of drawing and widths of lines."""
    of: dict[str, list[Any]] = {}
    for artist in axes.get_children():
        of.setdefault(type(artist).__name__, []).append(artist)
    for kind, artists in of.items():
        if kind in ("Spine", "XAxis", "YAxis", "Rectangle"):
            continue
        order = sum(artist.get_zorder() for artist in artists)
        width = sum(
            np.sum(artist.get_linewidth()) for artist in artists if hasattr(artist, "get_linewidth")
        )
        yield f"{kind} {len(artists)} {_some('order', [order, width])}"


KEEPERS: dict[type, Callable[[Any], Any]] = {
    pd.DataFrame: _table,
    Picture: _picture,
    Page: _page,
    Figure: _figure,
    TrueTypeFigure: _figure,
    str: _told,
}
"""What is kept of a value of each kind; of another one the value."""
