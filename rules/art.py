"""The prompt for the art under set text: what is to be seen, without the words that ask for lettering.

A diffusion model that reads of a headline paints one. So the quoted phrases go, with the words that lead to them
and say how they look; things that carry lettering become plain ones; and a ban on text goes too, for it names text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from rules.characters import without_hidden
from rules.quotes import Quote, find_quotes

PLAIN: Final = "calm abstract background, soft even light"
"""What is painted where nothing else is asked for than text."""
_MARK: Final = "\x00"
"""Stands where lettering was asked for."""

_NOUN: Final = (
    r"(?:headlines?|sub-?headlines?|sub-?heads?|captions?|slogans?|tag-?lines?|lettering|typograph(?:y|ic)"
    r"|(?:sub)?titles?|word-?marks?|texts?|words?|(?<!love )letters|inscriptions?|writing|calligraphy|fonts?"
    r"|typefaces?|signage|sans[\s-]serif|serif|watermarks?|numerals|copy"
    r"|überschrift(?:en)?|aufschrift(?:en)?|schriftzug|beschriftung|schlagzeile|texte|worten|wörter"
    r"|titre|légende|mots|inscription|texto|título|palabras|letras|letrero|testo|scritta|parole|titolo"
    r"|texten|rubrik(?:en)?|orden|skylt(?:en)?)"
)
"""Names for lettering."""
_ASKS: Final = (
    r"(?:says?|said|saying|reads?|reading|stating|states|announc(?:es|ing)|proclaim(?:s|ing)|spell(?:s|ing)"
    r"|writes?|written|printed|painted|labell?ed|titled|captioned|named|called|entitled|inscribed|engraved|marked"
    r"|declar(?:es|ing)|show(?:s|ing)?|bearing|display(?:s|ing)?|featuring|exactly|phrases?|message"
    r"|steht|sagt|lautet|heißt|namens|dit|écrit|intitulée?|dice|dicen|pone|titulad[oa]|recita|står|säger|lyder)"
)
"""Verbs that lead to lettering."""
_GLUE: Final = (
    r"(?:with|and|or|but|plus|then|that|which|where|it|its|the|a|an|two|three|big|bold|large|small|giant|exact|out|line"
    r"|lines|below|above|under|beneath|over|followed|by|mit|und|dem|der|den|das|auf|avec|et|le|la|les|qui|où|il|est|con"
    r"|el|los|las|y|que|il|lo|med|och|det|som|not|no|without|never|instead|of\s+the|any|do|don['’]?t)"
)
"""Small words between them."""
_WORD: Final = r"[^\W_][\w'’-]*"

_JOINED: Final = re.compile(rf"{_MARK}(?:[\s,;/&+|]*(?:\b{_GLUE}\b[\s,;/&+|]*){{0,3}}{_MARK})+", re.IGNORECASE)
_LEAD: Final = re.compile(rf"\b(?:{_NOUN}|{_ASKS}|{_GLUE})\b[\s:=–—-]*$", re.IGNORECASE)
_LEAD_MAX: Final = 40
"""Longer than any word that leads to lettering, characters."""
_BEFORE_CJK: Final = re.compile(
    rf"(?:(?:上面)?[写寫印][着著有]|标题|標題|文字|字样|字樣|タイトル|見出し|ロゴ)[は为為是\uff1a:\s]*{_MARK}"
)
_AFTER: Final = re.compile(
    rf"{_MARK}(?:\s*,)?(?:\s+(?:(?:set|written|printed|painted|shown|drawn|in|with|using|as)\s+)+(?:{_WORD}\s+){{0,5}}?"
    rf"(?:{_NOUN}|type|script|caps|capitals|handwriting|ink|letters)\b"
    r"|\s+(?:at|across|along|near|on|in|to|over)\s+(?:the\s+)?(?:very\s+)?"
    r"(?:top|bottom|cent(?:re|er)|middle|left|right|upper|lower|side)"
    r"(?:[\s-]+(?:left|right|third|half|corner|edge|cent(?:re|er)|of\s+it))*\b"
    r"|\s+(?:below|above|under|underneath|beneath)(?:\s+it)?(?=\s*(?:[,.;]|$)))+",
    re.IGNORECASE,
)
_AFTER_CJK: Final = re.compile(
    rf"{_MARK}\s*(?:(?:と書(?:かれた|いた)|という|的|の)*(?:文字|字样|字樣|字|テキスト|タイトル))"
)
_BANNED: Final = re.compile(
    rf"\b(?:no|without(?:\s+any)?|free\s+of|ohne|sans|sin|senza|utan)\s+(?:{_WORD}\s+){{0,2}}?{_NOUN}\b"
    rf"(?:\s*(?:,|or|and|nor)\s*(?:{_WORD}\s+)?{_NOUN}\b)*|\b(?:text|word)[\s-]free\b",
    re.IGNORECASE,
)
_OPENS: Final = re.compile(rf"^\s*(?:{_WORD}\s+){{0,3}}?{_NOUN}\b[^,.;\n]*$", re.IGNORECASE)
"""A clause that is about lettering from its start."""
_TAIL: Final = re.compile(
    rf"\s*\b(?:with|and|in|featuring|using|plus|mit|avec|con|med)\s+(?:{_WORD}\s+){{0,3}}?{_NOUN}\b"
    rf"(?:\s+(?:in|at|across|on)\s+(?:the\s+)?(?:top|bottom|middle|cent(?:re|er)|left|right)\b)?",
    re.IGNORECASE,
)
_LEFT_NOUN: Final = re.compile(rf"\b{_NOUN}\b", re.IGNORECASE)
_LIGHT: Final = re.compile(r"\bneon[\s-]signs?\b", re.IGNORECASE)
_BOARD: Final = re.compile(
    r"\b(?:plain\s+)?(?:sign[\s-]?boards?|sign[\s-]?posts?|(?:road|street|shop)[\s-]signs?|bill-?boards?|signs?)\b",
    re.IGNORECASE,
)
_SHEET: Final = re.compile(
    r"\b(?:(?:book|album|magazine)[\s-]covers?|price[\s-]lists?|menu[\s-]boards?|business[\s-]cards?|loyalty[\s-]cards?"
    r"|posters?|flyers?|leaflets?|brochures?|banners?|menus?|info-?graphics?|adverts?|advertisements?|timetables?"
    r"|certificates?|invitations?|tickets?|coupons?|vouchers?|plakate?|affiches?|carteles?|cartel|manifest[oi]"
    r"|affisch(?:en)?)\b",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(r"\b(?:plain\s+)?(labels?|stickers?)\b", re.IGNORECASE)
_DANGLING: Final = re.compile(r"^(?:(?:of|for|about|with|and|or|but|that|which|where|as)\s+)+", re.IGNORECASE)
_ENDING: Final = re.compile(
    r"\b(?:of|for|about|with|and|or|but|that|which|where|in|on|at|by|to|as|from|the|a|an|not|no|without)\s*$",
    re.IGNORECASE,
)
_EMPTY: Final = re.compile(
    r"\b(?:an?|the|and|or|of|with|plain|pictures?|boards?|labels?|stickers?|neon|lights?|big|bold|large|one|two|three)\b",
    re.IGNORECASE,
)
_CLAUSES: Final = re.compile(r"((?:[,.](?!\d)|[;!?、。\uff0c\uff1b\n])+)")


def art_prompt(prompt: str, phrases: Sequence[str]) -> str:
    """What to paint under the phrases that are set over it: never empty, and it asks for no lettering.

    Wanted phrases are found by their quotation marks, of any language; those of `phrases` that stand in the prompt
    without marks are taken out where a word leads to them or where they stand in capitals. The words are English
    for the most part, with the usual ones of German, French, Spanish, Italian, Swedish, Chinese and Japanese.
    """
    text = _marked(re.sub(r"[^\S\n]+", " ", without_hidden(prompt).replace(_MARK, " ")), phrases)
    text = _BANNED.sub(" ", text)
    text = _JOINED.sub(_MARK, text)
    for pattern in (_AFTER, _AFTER_CJK, _BEFORE_CJK):
        text = pattern.sub(_MARK, text)
    *before, last = text.split(_MARK)
    text = _MARK.join([*(_without_end(part, _LEAD) for part in before), last])
    text = _LIGHT.sub("neon light", text)
    text = _BOARD.sub("plain board", text)
    text = _SHEET.sub(lambda m: "pictures" if m.group().endswith("s") else "picture", text)
    text = _LABEL.sub(r"plain \1", text)
    parts = _CLAUSES.split(text)
    kept: list[str] = []
    for clause, ending in zip(parts[::2], [*parts[1::2], ""], strict=True):
        clean = _clause(clause)
        if clean:
            kept += [clean, f"{ending.strip() or ','} " if ending else ""]
    out = re.sub(r"\s+", " ", "".join(kept)).strip(" ,;、\uff0c\uff1b")
    return out or PLAIN


def _marked(text: str, phrases: Sequence[str]) -> str:
    """The prompt with a mark wherever lettering is spelt out."""
    out: list[str] = []
    at = 0
    for quote in find_quotes(text).quotes:
        if quote.wanted or _is_led_to(text, quote):
            out += [text[at : quote.outer_start], f" {_MARK} "]
            at = quote.outer_end
    text = "".join([*out, text[at:]])
    for phrase in sorted({" ".join(p.split()) for p in phrases}, key=lambda p: (-len(p), p)):
        if not phrase:
            continue
        body = r"\s+".join(re.escape(word) for word in phrase.split())
        if phrase.isupper():
            text = re.sub(rf"(?<!\w){body}(?!\w)", f" {_MARK} ", text)
        led = rf"(\b(?:{_NOUN}|{_ASKS})\b[\s:=]*){body}(?!\w)"
        text = re.sub(led, rf"\1 {_MARK} ", text, flags=re.IGNORECASE)
    return text


def _is_led_to(text: str, quote: Quote) -> bool:
    """Whether a quotation that is no wanted text still is about lettering: what is not to be written, a font."""
    before = text[max(0, quote.outer_start - 40) : quote.outer_start]
    return re.search(rf"\b(?:{_NOUN}|{_ASKS}|not|no|without|never)\s*$", before, re.IGNORECASE) is not None


def _without_end(text: str, words: re.Pattern[str]) -> str:
    """The text without the words of a kind that it ends with. From the end, for a search from the start is slow."""
    while found := words.search(text, max(0, len(text) - _LEAD_MAX)):
        text = text[: found.start()]
    return text


def _clause(clause: str) -> str:
    """One clause without what is left of lettering; empty where it was about nothing else."""
    text = re.sub(rf"\s*{_MARK}\s*", " ", clause)
    if _OPENS.match(text):
        return ""
    text = _LEFT_NOUN.sub(" ", _TAIL.sub(" ", text))
    text = re.sub(r"\s+", " ", text).strip(" :=-–—/&+|\"“”'\u2018\u2019")
    text = _DANGLING.sub("", _without_end(text, _ENDING).strip())
    return text if any(c.isalnum() for c in _EMPTY.sub(" ", text)) else ""
