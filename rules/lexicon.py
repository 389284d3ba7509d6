"""sanity.yml: the words that give a prompt its tags, what each tag risks, and which tags contradict."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from rules.tree import Node
from rules.word_lists import WordFinder, word_finder
from rules.word_starts import WordStarts, word_starts
from schemas.events import FileRole, Risk


def file_tag(role: FileRole) -> str:
    """Tag of a job that comes with a file of this role."""
    return f"file-{role.value.replace('_', '-')}"


BUILT_IN: Final = (
    "text",
    "strict-text",
    "branded",
    "brand-logo",
    "trademark",
    "mixed-script",
    "hidden-characters",
    "personal-data",
    "personal-data-in-text",
    "unclosed-quote",
    "unquoted-text",
    "too-long",
    *(file_tag(role) for role in FileRole),
)
"""Tags that need more than a word list."""
RISKS: Final = tuple(r.value for r in Risk)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagWords:
    """One tag: the words that give it, in which compounds they do not count, and its risk by lane."""

    name: str
    words: tuple[str, ...]
    exceptions: tuple[str, ...]
    risk: Risk
    critical_risk: Risk
    in_quotes: bool
    negatable: bool
    reason: str

    finder: WordFinder = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Make the list ready for searching."""
        object.__setattr__(self, "finder", word_finder(self.words, self.exceptions, negatable=self.negatable))

    def find(self, text: str) -> list[tuple[int, int]]:
        """Spans of the words in a text, but for exceptions and for what is negated."""
        return self.finder.find(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Two tags that no picture can satisfy at once."""

    first: str
    second: str
    risk: Risk
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """All of sanity.yml. `starts` tells where entries may begin: list 2n is tag n's words, 2n + 1 its exceptions."""

    prompt_max_chars: int
    phrase_max_chars: int
    phrases_max: int
    tags: tuple[TagWords, ...]
    contradictions: tuple[Contradiction, ...]
    trademarks: tuple[str, ...]
    other_text_tags: tuple[str, ...]
    starts: WordStarts = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Make all lists ready for searching."""
        lists = [words for t in self.tags for words in (t.words, t.exceptions)]
        object.__setattr__(self, "starts", word_starts(tuple(lists)))

    @property
    def tag_names(self) -> frozenset[str]:
        """Every tag that a rule may ask for."""
        return frozenset(BUILT_IN) | {t.name for t in self.tags}


def parse_lexicon(root: Node) -> Lexicon:
    """sanity.yml. Raises BadConfig."""
    f = root.fields(["limits", "tags", "contradictions", "trademarks", "other_text_tags"])
    limits = f["limits"].fields(["prompt_max_chars", "phrase_max_chars", "phrases_max"])
    table = f["tags"].table()
    tags = tuple(_tag(name, table[name]) for name in sorted(table))
    names = [*BUILT_IN, *(t.name for t in tags)]
    return Lexicon(
        prompt_max_chars=limits["prompt_max_chars"].integer(1, 20000),
        phrase_max_chars=limits["phrase_max_chars"].integer(1, 500),
        phrases_max=limits["phrases_max"].integer(1, 64),
        tags=tags,
        contradictions=tuple(_contradiction(n, names) for n in f["contradictions"].items()),
        trademarks=f["trademarks"].texts(),
        other_text_tags=f["other_text_tags"].choices([t.name for t in tags], "tag"),
    )


def _tag(name: str, node: Node) -> TagWords:
    if not _NAME.fullmatch(name):
        raise node.bad(f"{name!r} is no tag name", "use small letters, digits and hyphens")
    if name in BUILT_IN:
        raise node.bad(f"the tag {name!r} is found in another way", "give the words another name")
    f = node.fields(["words", "risk"], ["except", "critical_risk", "in_quotes", "negatable", "reason"])
    words = f["words"].texts()
    if not words:
        raise f["words"].bad("lists no word", "add one, or remove the tag")
    risk = Risk(f["risk"].choice(RISKS, "risk"))
    critical = Risk(f["critical_risk"].choice(RISKS, "risk")) if "critical_risk" in f else risk
    if Risk.REFUSED in {risk, critical} and "reason" not in f:
        raise node.bad("refuses prompts and gives no reason", "add reason: what to change")
    return TagWords(
        name=name,
        words=words,
        exceptions=f["except"].texts() if "except" in f else (),
        risk=risk,
        critical_risk=critical,
        in_quotes=f["in_quotes"].flag() if "in_quotes" in f else False,
        negatable=f["negatable"].flag() if "negatable" in f else True,
        reason=f["reason"].text() if "reason" in f else "",
    )


def _contradiction(node: Node, names: list[str]) -> Contradiction:
    f = node.fields(["first", "second", "risk", "reason"])
    return Contradiction(
        first=f["first"].choice(names, "tag"),
        second=f["second"].choice(names, "tag"),
        risk=Risk(f["risk"].choice(RISKS, "risk")),
        reason=f["reason"].text(),
    )
