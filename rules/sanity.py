"""Prompt sanity: what a prompt asks for, what may go wrong with it, and whether it may be rendered at all."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from rules.brand_marks import marks_of
from rules.brands import Brand
from rules.characters import View, bidi, hidden, mixed_words, without_hidden
from rules.composition import framing_reasons
from rules.contract import text_contract
from rules.files import file_reasons
from rules.lexicon import file_tag
from rules.personal import find_personal
from rules.prompts import ReadPrompt, read_prompt
from rules.quotes import Quote, Quoted
from rules.ruleset import Ruleset
from rules.tree import nearest
from schemas.events import FileRole, Job, Lane, Risk, Tag, TextContract

ORDER: Final = (Risk.LOW, Risk.MEDIUM, Risk.HIGH, Risk.REFUSED)
EVIDENCE_MAX: Final = 1000
"""Longest evidence that a tag holds; longer spans are cut at their end."""
TAGS_MAX: Final = 200
EACH_MAX: Final = 8
"""Most spans that are kept for one tag."""
FIELD: Final = -1
"""Offset of evidence that stands in a field and not in the prompt."""
_WRITTEN: Final = re.compile(r"[A-Za-z0-9]")
Mark: TypeAlias = tuple[str, int, int, str]
"""A tag that is not made yet: its name, start, end and evidence."""
_RANK: Final = {risk: n for n, risk in enumerate(ORDER)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What sanity found. `reasons` say why the prompt is refused, with the mend; empty where it is not."""

    marks: tuple[Mark, ...]
    names: frozenset[str]
    """Names of the tags: all that rules look at."""
    risk: Risk
    text: TextContract
    prompt: str
    """The prompt for engines: NFC, without hidden characters."""
    reasons: tuple[str, ...]

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The tags, with evidence."""
        return tuple(Tag(name=name, start=start, end=end, evidence=said) for name, start, end, said in self.marks)


@dataclass(slots=True)
class _Notes:
    """What has been noted so far."""

    prompt: str
    risk: Risk = Risk.LOW
    reasons: list[str] = field(default_factory=list[str])
    marks: dict[Mark, None] = field(default_factory=dict[Mark, None])
    """An ordered set."""
    counts: dict[str, int] = field(default_factory=dict[str, int])
    """How many marks each tag has."""

    def tag(self, name: str, start: int, end: int, risk: Risk = Risk.LOW, reason: str = "") -> None:
        end = min(end, start + EVIDENCE_MAX)
        self._add(name, start, end, self.prompt[start:end])
        self.raise_to(risk, reason)

    def field(self, name: str, evidence: str, risk: Risk = Risk.LOW, reason: str = "") -> None:
        self._add(name, FIELD, FIELD, evidence[:EVIDENCE_MAX])
        self.raise_to(risk, reason)

    def raise_to(self, risk: Risk, reason: str) -> None:
        if _RANK[risk] > _RANK[self.risk]:
            self.risk = risk
        if risk is Risk.REFUSED and reason not in self.reasons:
            self.reasons.append(reason)

    def has(self, name: str) -> bool:
        return name in self.counts

    def _add(self, name: str, start: int, end: int, evidence: str) -> None:
        same, mark = self.counts.get(name, 0), (name, start, end, evidence)
        if mark not in self.marks and (same == 0 or (same < EACH_MAX and len(self.marks) < TAGS_MAX)):
            self.marks[mark] = None
            self.counts[name] = same + 1


def examine(job: Job, ruleset: Ruleset, lane: Lane | None = None) -> Finding:
    """Tags with evidence, risk, text contract and reasons for one job. `lane` overrides the job's own."""
    return examine_read(read_prompt(job), ruleset, lane)


def examine_read(read: ReadPrompt, ruleset: Ruleset, lane: Lane | None = None) -> Finding:
    """As `examine`, of a prompt that another ruleset may have looked at before."""
    job = read.job
    lane = lane or job.lane
    notes = _Notes(job.prompt)
    brand = ruleset.brands.get(job.brand)
    _frame(job, brand, ruleset, notes)
    _characters(job, read.quoted, notes)
    _personal(read, notes)
    _word_tags(read, ruleset, lane, notes)
    _marks(read, brand, ruleset, lane, notes)
    text = _text(job, read.quoted, brand, lane, ruleset, notes)
    for pair in ruleset.lexicon.contradictions:
        if notes.has(pair.first) and notes.has(pair.second):
            notes.raise_to(pair.risk, pair.reason)
    return Finding(
        marks=tuple(notes.marks),
        names=frozenset(notes.counts),
        risk=notes.risk,
        text=text,
        prompt=without_hidden(job.prompt).strip(),
        reasons=tuple(notes.reasons),
    )


def _frame(job: Job, brand: Brand | None, ruleset: Ruleset, notes: _Notes) -> None:
    """What stands around the prompt: its length, its brand, its files, its phrases."""
    lexicon = ruleset.lexicon
    if not _WRITTEN.search(job.prompt) and not any(c.isalnum() for c in job.prompt):
        notes.raise_to(Risk.REFUSED, "The prompt is empty; say what is to be seen.")
    if len(job.prompt) > lexicon.prompt_max_chars:
        reason = f"The prompt has {len(job.prompt)} characters; shorten it to {lexicon.prompt_max_chars}."
        notes.field("too-long", f"{len(job.prompt)} characters", Risk.REFUSED, reason)
    if brand is not None:
        notes.field("branded", brand.id)
    elif job.brand:
        mend = nearest(job.brand, ruleset.brands)
        notes.raise_to(Risk.REFUSED, f"There is no brand {job.brand!r}; {mend} Leave brand away for work without one.")
    for file in job.files:
        notes.field(file_tag(file.role), file.name)
    for reason in (*file_reasons(job, ruleset.postprocess), *framing_reasons(job)):
        notes.raise_to(Risk.REFUSED, reason)
    for text in job.required_text:
        if not without_hidden(text).strip():
            notes.raise_to(Risk.REFUSED, "A required text is empty; write it out or remove it.")


def _characters(job: Job, quoted: Quoted, notes: _Notes) -> None:
    """Characters that mislead: ASCII holds none of them."""
    if not job.prompt.isascii():
        _prompt_characters(job, quoted, notes)
    for text in job.required_text:
        if not text.isascii():
            _text_characters(text, notes)


def _prompt_characters(job: Job, quoted: Quoted, notes: _Notes) -> None:
    for start, end in bidi(job.prompt):
        reason = "The prompt holds hidden marks that turn the direction of text; remove them."
        notes.tag("hidden-characters", start, end, Risk.REFUSED, reason)
    for start, end in hidden(job.prompt):
        notes.tag("hidden-characters", start, end, Risk.MEDIUM)
    for start, end in mixed_words(job.prompt):
        if any(q.wanted and q.outer_start <= start and end <= q.outer_end for q in quoted.quotes):
            notes.tag("mixed-script", start, end, Risk.REFUSED, _mixed(job.prompt[start:end]))
        else:
            notes.tag("mixed-script", start, end, Risk.HIGH)


def _text_characters(text: str, notes: _Notes) -> None:
    for start, end in mixed_words(text):
        notes.field("mixed-script", text[start:end], Risk.REFUSED, _mixed(text[start:end]))
    for _ in bidi(text):
        reason = "A required text holds hidden marks that turn its direction; remove them."
        notes.field("hidden-characters", text, Risk.REFUSED, reason)
    for _ in hidden(text):
        notes.field("hidden-characters", text, Risk.MEDIUM)


def _mixed(word: str) -> str:
    return f"The word {word!r} mixes letters of two alphabets, so no reader could check it; type it again in one."


def _personal(read: ReadPrompt, notes: _Notes) -> None:
    for found in read.personal:
        in_text = any(q.outer_start <= found.start and found.end <= q.outer_end for q in read.quoted.quotes)
        if found.secret or not in_text:
            reason = f"The prompt holds {found.what}; remove it, or quote it where it is to be printed."
            reason = f"The prompt holds {found.what}; remove it." if found.secret else reason
            notes.tag("personal-data", found.start, found.end, Risk.REFUSED, reason)
        else:
            notes.tag("personal-data-in-text", found.start, found.end, Risk.MEDIUM)
    for text in read.job.required_text:
        for found in find_personal(text):
            if found.secret:
                reason = f"A required text holds {found.what}; remove it."
                notes.field("personal-data", text[found.start : found.end], Risk.REFUSED, reason)
            else:
                notes.field("personal-data-in-text", text[found.start : found.end], Risk.MEDIUM)


def _word_tags(read: ReadPrompt, ruleset: Ruleset, lane: Lane, notes: _Notes) -> None:
    tags = ruleset.lexicon.tags
    plain, disguised = (look.places(ruleset.lexicon.starts) for look in (read.plain, read.disguised))
    likely = {list_number // 2 for list_number in (plain if plain is disguised else {**plain, **disguised})}
    if read.required:
        likely.update(number for number, words in enumerate(tags) if words.in_quotes)
    for number in sorted(likely):
        words = tags[number]
        risk = words.critical_risk if lane is Lane.CRITICAL else words.risk
        refusing = risk is Risk.REFUSED
        look = read.disguised if refusing else read.plain
        text = look.view.text if words.in_quotes else look.bare
        places = disguised if refusing else plain
        if 2 * number in places:
            begins, spared = places[2 * number], places.get(2 * number + 1, ())
            for start, end in look.find(words.finder, text, begins, spared):
                notes.tag(words.name, *look.view.span(start, end), risk, words.reason)
        if words.in_quotes:
            for pair in read.required:
                look = pair[refusing]
                places = look.places(ruleset.lexicon.starts)
                if 2 * number in places:
                    begins, spared = places[2 * number], places.get(2 * number + 1, ())
                    for start, end in look.find(words.finder, look.view.text, begins, spared):
                        a, b = look.view.span(start, end)
                        notes.field(words.name, look.view.original[a:b], risk, words.reason)


def _marks(read: ReadPrompt, brand: Brand | None, ruleset: Ruleset, lane: Lane, notes: _Notes) -> None:
    """Names of others, which may be refused, and the brand's own logo, which needs its file."""
    marks = marks_of(ruleset.lexicon.trademarks, brand)
    texts = (("prompt", read.disguised), *(("required_text", disguised) for _, disguised in read.required))
    for where, look in texts:
        places, view = look.places(marks.starts), look.view
        for number, finder in enumerate((marks.refused, marks.watched)):
            if number not in places:
                continue
            for start, end in look.find(finder, view.text, places[number], ()):
                a, b = view.span(start, end)
                reason = f"{view.original[a:b]!r} must not appear in work for {read.job.brand}; remove it."
                risk = Risk.REFUSED if finder is marks.refused else Risk.HIGH
                _mark(notes, "trademark", where, (a, b), view, risk, reason)
    places = read.plain.places(marks.starts)
    if 2 in places:
        has_file = any(f.role is FileRole.LOGO for f in read.job.files)
        for start, end in read.plain.find(marks.logo, read.plain.view.text, places[2], ()):
            risk = Risk.LOW if has_file else Risk.HIGH if lane is Lane.CRITICAL else Risk.MEDIUM
            notes.tag("brand-logo", *read.plain.view.span(start, end), risk)


def _mark(notes: _Notes, name: str, where: str, span: tuple[int, int], view: View, risk: Risk, reason: str) -> None:
    if where == "prompt":
        notes.tag(name, *span, risk, reason)
    else:
        notes.field(name, view.original[span[0] : span[1]], risk, reason)


def _text(job: Job, quoted: Quoted, brand: Brand | None, lane: Lane, ruleset: Ruleset, notes: _Notes) -> TextContract:
    lexicon = ruleset.lexicon
    wanted = [q for q in quoted.quotes if q.wanted and without_hidden(job.prompt[q.start : q.end]).strip()]
    texts = [job.prompt[q.start : q.end] for q in wanted]
    too_long = [t for t in (*texts, *job.required_text) if len(t) > lexicon.phrase_max_chars]
    for text in too_long:
        shown = f"{text[:40]}…"
        notes.raise_to(
            Risk.REFUSED, f"The text {shown!r} has {len(text)} characters; {lexicon.phrase_max_chars} can be checked."
        )
    contract = text_contract(
        job if not too_long else _without_text(job),
        [] if too_long else texts,
        brand,
        lane,
        other_text_allowed=any(notes.has(t) for t in lexicon.other_text_tags) and not notes.has("no-text"),
    )
    if len(contract.phrases) > lexicon.phrases_max:
        notes.raise_to(
            Risk.REFUSED, f"{len(contract.phrases)} texts are wanted; split the work, {lexicon.phrases_max} can be set."
        )
    _text_tags(job, wanted, contract, notes)
    for start in quoted.unclosed:
        notes.tag("unclosed-quote", start, start + 1, Risk.HIGH if lane is Lane.CRITICAL else Risk.MEDIUM)
    if notes.has("asks-for-text") and not contract.phrases:
        _, start, end, _ = next(mark for mark in notes.marks if mark[0] == "asks-for-text")
        notes.tag("unquoted-text", start, end, Risk.HIGH if lane is Lane.CRITICAL else Risk.MEDIUM)
    return contract


def _without_text(job: Job) -> Job:
    return replace(job, required_text=())


def _text_tags(job: Job, wanted: list[Quote], contract: TextContract, notes: _Notes) -> None:
    for quote in wanted:
        notes.tag("text", quote.start, quote.end)
    for text in job.required_text:
        if without_hidden(text).strip():
            notes.field("text", text)
    for phrase in contract.phrases:
        if phrase.strict:
            notes.field("strict-text", phrase.text)
