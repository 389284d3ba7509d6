"""What two lexicons read alike: a prompt that holds nothing of what differs is the same to both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rules.lexicon import Lexicon, TagWords
from rules.prompts import ReadPrompt
from rules.word_lists import WordFinder, matches, word_finder
from rules.word_starts import WordStarts, word_starts


@dataclass(frozen=True, slots=True, kw_only=True)
class LexiconChange:
    """Where two lexicons differ, as far as single prompts can be told from it.

    everywhere: They differ in what is no list of words and no limit, so every prompt is looked at twice.
    finders, starts: The words by which tags differ: those that one of them lacks where all else of the tag is alike,
        or else all of the tag in both. Without any of them in a prompt, exceptions spare nothing else either.
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
            matches(self.finders[number].words, look.view.text, places)
            for look in looks
            for number, places in look.places(self.starts).items()
        )


def lexicon_change(former: Lexicon, new: Lexicon) -> LexiconChange:
    """What differs between two lexicons."""
    names = {t.name: t for t in former.tags}, {t.name: t for t in new.tags}
    differing = [words for name in sorted({**names[0], **names[1]}) for words in _apart(*(n.get(name) for n in names))]
    alike = replace(
        new,
        tags=former.tags,
        prompt_max_chars=former.prompt_max_chars,
        phrase_max_chars=former.phrase_max_chars,
        phrases_max=former.phrases_max,
    )
    return LexiconChange(
        everywhere=alike != former,
        finders=tuple(word_finder(words) for words in differing),
        starts=word_starts(tuple(differing)),
        prompt_max_chars=_lower(former.prompt_max_chars, new.prompt_max_chars),
        phrase_max_chars=_lower(former.phrase_max_chars, new.phrase_max_chars),
        phrases_max=_lower(former.phrases_max, new.phrases_max),
    )


def _apart(former: TagWords | None, new: TagWords | None) -> Iterator[tuple[str, ...]]:
    """Lists of the words without which a prompt has the same marks by either of two tags."""
    if former is None or new is None:
        yield from (t.words for t in (former, new) if t is not None)
        return
    if former == new:
        return
    both = frozenset(former.words) & frozenset(new.words)
    # The order counts: of two entries that fit at one place, the one that stands first is the one that is found.
    alike = [w for w in former.words if w in both] == [w for w in new.words if w in both]
    if alike and replace(former, words=new.words) == new:
        yield tuple(sorted(frozenset(former.words) ^ frozenset(new.words)))
    else:
        yield from (former.words, new.words)


def _lower(former: int, new: int) -> int | None:
    return None if former == new else min(former, new)
