"""What two lexicons read alike: a prompt that holds nothing of what differs is the same to both."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rules.lexicon import Lexicon
from rules.prompts import ReadPrompt
from rules.word_lists import WordFinder, matches
from rules.word_starts import WordStarts, word_starts


@dataclass(frozen=True, slots=True, kw_only=True)
class LexiconChange:
    """Where two lexicons differ, as far as single prompts can be told from it.

    everywhere: They differ in what is no list of words and no limit, so every prompt is looked at twice.
    finders, starts: The words of all tags that only one of them has so; without any, exceptions spare nothing.
    Limits are the lower ones of the two where they differ; None where they are alike.
    """

    everywhere: bool
    finders: tuple[WordFinder, ...]
    starts: WordStarts
    prompt_max_chars: int | None
    phrase_max_chars: int | None
    phrases_max: int | None

    def touches(self, read: ReadPrompt) -> bool:
        """Whether sanity may find another thing by one lexicon than by the other."""
        if self.everywhere or (self.starts.lists and self._has_words(read)):
            return True
        job = read.job
        if self.prompt_max_chars is not None and len(job.prompt) > self.prompt_max_chars:
            return True
        if self.phrase_max_chars is not None and any(
            length > self.phrase_max_chars
            for length in (*(q.end - q.start for q in read.quoted.quotes), *map(len, job.required_text))
        ):
            return True
        return self.phrases_max is not None and len(read.quoted.quotes) + len(job.required_text) > self.phrases_max

    def _has_words(self, read: ReadPrompt) -> bool:
        looks = (read.plain, read.disguised, *(look for pair in read.required for look in pair))
        return any(
            True
            for look in looks
            for number, places in look.places(self.starts).items()
            for _ in matches(self.finders[number].words, look.view.text, places)
        )


def lexicon_change(former: Lexicon, new: Lexicon) -> LexiconChange:
    """What differs between two lexicons."""
    differing = [t for a, b in ((former, new), (new, former)) for t in a.tags if t not in b.tags]
    alike = replace(
        new,
        tags=former.tags,
        prompt_max_chars=former.prompt_max_chars,
        phrase_max_chars=former.phrase_max_chars,
        phrases_max=former.phrases_max,
    )
    return LexiconChange(
        everywhere=alike != former,
        finders=tuple(t.finder for t in differing),
        starts=word_starts(tuple(t.words for t in differing)),
        prompt_max_chars=_lower(former.prompt_max_chars, new.prompt_max_chars),
        phrase_max_chars=_lower(former.phrase_max_chars, new.phrase_max_chars),
        phrases_max=_lower(former.phrases_max, new.phrases_max),
    )


def _lower(former: int, new: int) -> int | None:
    return None if former == new else min(former, new)
