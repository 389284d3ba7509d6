"""A job's words as they stand, whatever the rules say of them: read once, however many rulesets look at it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from rules.characters import View, composed, skeleton
from rules.personal import PersonalData, find_personal
from rules.quotes import Quoted, find_quotes
from rules.word_lists import WordFinder, may_negate
from rules.word_starts import Places, Words, WordStarts
from schemas.events import Job

Spans: TypeAlias = Sequence[tuple[int, int]]
NO_QUOTES: Final = Quoted((), ())


class Look:
    """One view of the prompt, with and without what is quoted. What was found is kept as long as the object."""

    __slots__ = ("_found", "_negates", "_places", "bare", "view", "words")

    def __init__(self, view: View, quoted: Quoted) -> None:
        self.view = view
        self.bare = _bare(view, quoted)
        """The view with the words of quotations blanked out: a poster that says PEOPLE shows none."""
        self.words = Words(view.text)
        self._negates = may_negate(self.words)
        self._places: dict[WordStarts, Mapping[int, Places]] = {}
        self._found: dict[tuple[WordFinder, str], Spans] = {}

    def places(self, starts: WordStarts) -> Mapping[int, Places]:
        """Where words of some lists may begin, in quotations too: these stand apart from the words about them."""
        found = self._places.get(starts)
        if found is None:
            found = self._places[starts] = starts.places(self.words)
        return found

    def find(self, finder: WordFinder, text: str, places: Places, spared: Places) -> Spans:
        """What a list finds in the view or in what is bare of quotations; `places`, `spared` as WordFinder.find."""
        found = self._found.get((finder, text))
        if found is None:
            found = self._found[finder, text] = finder.find(text, places, spared, negates=self._negates)
        return found


@dataclass(slots=True)
class ReadPrompt:
    """What a job's prompt and required texts hold."""

    job: Job
    quoted: Quoted
    personal: tuple[PersonalData, ...]
    plain: Look
    disguised: Look
    """Letters of other scripts as the Latin ones that they look like: what refuses a prompt is looked for here."""
    required: tuple[tuple[Look, Look], ...]
    """Each required text, plain and disguised; a quotation in it is text like the rest."""


def read_prompt(job: Job) -> ReadPrompt:
    """Read a job's words."""
    prompt = job.prompt
    quoted = find_quotes(prompt)
    plain, disguised = _looks(prompt, quoted)
    return ReadPrompt(
        job=job,
        quoted=quoted,
        personal=tuple(find_personal(prompt)),
        plain=plain,
        disguised=disguised,
        required=tuple(_required(text) for text in job.required_text),
    )


@lru_cache(maxsize=256)
def _required(text: str) -> tuple[Look, Look]:
    """Kept, for the jobs of a campaign want the same words again and again."""
    return _looks(text, NO_QUOTES)


def _looks(text: str, quoted: Quoted) -> tuple[Look, Look]:
    plain = Look(composed(text), quoted)
    other = plain.view if text.isascii() else skeleton(text)
    return plain, (plain if other.text == plain.view.text else Look(other, quoted))


def _bare(view: View, quoted: Quoted) -> str:
    if not quoted.quotes:
        return view.text
    letters = list(view.text)
    for quote in quoted.quotes:
        start, end = bisect_left(view.starts, quote.start), bisect_left(view.starts, quote.end)
        letters[start:end] = "\x00" * (end - start)
    return "".join(letters)
