"""Breaks text into lines: at blanks, and between Chinese and Japanese characters by the basic rules of kinsoku."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

import regex

from workers.engines.shaping import Style, clusters, shaped

_WORDLIKE: Final = (regex.compile(r"\p{Han}"), regex.compile(r"[\p{Katakana}ー]"))
_TORN: Final = 0.9
"""What a break within a word counts, as so much longer a line, in em."""
_IDEOGRAPHIC: Final = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\u3000-\u303f\uff00-\uff60ー]")
"""A line may break beside these. Korean breaks at its blanks."""
_NEVER_FIRST: Final = frozenset(
    "、。，．・：；？！゛゜ヽヾゝゞ々ー’”）〕］｝〉》」』】〟〗〙°′″℃％‰,.:;?!)]}%"
    "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ"
)
"""No line starts with these: closing marks, small kana, marks of repetition. Source: JLReq, 3.1.7 (W3C, 2020)."""
_NEVER_LAST: Final = frozenset("‘“（〔［｛〈《「『【〝〖〘([{¥￥$＄£￡#＃№")
"""No line ends with these: opening marks and signs that lead a number. Source: JLReq, 3.1.8."""
MOST_EVEN: Final = 80
"""Pieces up to which lines are evened out exactly; a longer text is filled line by line, which takes less time."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that no line break divides, and whether a blank stands before it.

    `tears` is set where a break before it is allowed but may divide a word: between two Han or two katakana.
    """

    text: str
    blank: bool
    tears: bool = False


def pieces(text: str) -> tuple[Piece, ...]:
    """What a text may be broken between."""
    out: list[Piece] = []
    for word in "".join(clusters(text)).split(" "):
        part, first, tears = "", True, False
        marks = clusters(word)
        for here, after in zip(marks, [*marks[1:], ""], strict=True):
            part += here
            if not after or _may_break(here, after):
                out.append(Piece(part, blank=first and bool(out), tears=tears))
                part, first, tears = "", False, any(w.match(here) and w.match(after) for w in _WORDLIKE)
    return tuple(out)


def _may_break(here: str, after: str) -> bool:
    beside = _IDEOGRAPHIC.match(here) or _IDEOGRAPHIC.match(after)
    return bool(beside) and here[0] not in _NEVER_LAST and after[0] not in _NEVER_FIRST


def joined(parts: Sequence[Piece]) -> str:
    """One line of pieces."""
    return "".join(f" {p.text}" if p.blank and n else p.text for n, p in enumerate(parts))


def advance(text: str, style: Style) -> float:
    """Width of a line in em. Raises CannotSet."""
    return shaped(text, style).advance


def blank(style: Style) -> float:
    """Width of a word space between letters, in em."""
    return advance("n n", style) - 2 * advance("n", style)


@lru_cache(maxsize=256)
def breaks(parts: tuple[Piece, ...], count: int, style: Style) -> tuple[str, ...]:
    """The pieces in `count` lines such that the longest is as short as can be, and the rest even."""
    at = _positions(parts, style)
    if len(parts) > MOST_EVEN:
        room = at[-1] / count
        while len(lines := _greedy(parts, at, room, style)) > count:
            room *= 1.04
        return lines
    best: dict[tuple[int, int], tuple[float, float, tuple[int, ...]]] = {(0, 0): (0.0, 0.0, ())}
    for end in range(1, len(parts) + 1):
        for lines in range(1, min(count, end) + 1):
            options: list[tuple[float, float, tuple[int, ...]]] = []
            for start in range(lines - 1, end):
                if (before := best.get((start, lines - 1))) is None:
                    continue
                torn = _TORN if end < len(parts) and parts[end].tears else 0.0
                long = _width(parts, at, start, end, style) + torn
                options.append((max(before[0], long), before[1] + long**2, (*before[2], start)))
            best[end, lines] = min(options)
    starts = best[len(parts), count][2]
    return tuple(joined(parts[a:b]) for a, b in pairwise((*starts, len(parts))))


def filled(parts: tuple[Piece, ...], style: Style, room: float) -> tuple[str, ...]:
    """The pieces in as few lines of `room` em as they need, evened out."""
    greedy = _greedy(parts, _positions(parts, style), room, style)
    return greedy if len(parts) > MOST_EVEN else breaks(parts, len(greedy), style)


def _greedy(parts: tuple[Piece, ...], at: Sequence[float], room: float, style: Style) -> tuple[str, ...]:
    starts = [0]
    for end in range(1, len(parts) + 1):
        if _width(parts, at, starts[-1], end, style) > room and end - 1 > starts[-1]:
            starts.append(end - 1)
    return tuple(joined(parts[a:b]) for a, b in pairwise((*starts, len(parts))))


def _positions(parts: Sequence[Piece], style: Style) -> list[float]:
    """Where each piece ends when all stand on one line, in em; 0 first."""
    out, space = [0.0], blank(style)
    for n, part in enumerate(parts):
        out.append(out[-1] + (space if part.blank and n else 0.0) + advance(part.text, style) + style.tracking)
    return out


def _width(parts: Sequence[Piece], at: Sequence[float], start: int, end: int, style: Style) -> float:
    lead = blank(style) if start and parts[start].blank else 0.0
    return at[end] - at[start] - lead - style.tracking
