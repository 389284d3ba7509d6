"""One inspected file as a plain object: the verdict, its grounds, every check, and what stands where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any, Final, cast

from ops.files.inspection import Inspected
from schemas.events import (
    Box,
    Defect,
    Glyph,
    Inspection,
    Judgement,
    Letter,
    LetterState,
    Region,
    TextRead,
    Verdict,
)

GLYPHS: Final = "glyphs"
GLYPHS_SHOWN: Final = 20
"""Letters listed with their health, the worst first."""
NOT_JUDGED: Final = "no text was expected or forbidden: text is read and not judged"


def report(result: Inspected, checks: Sequence[str]) -> dict[str, Any]:
    """Verdict, and for every check its verdict, score, numbers and evidence; boxes are in pixels of the picture.

    A check's verdict is None where nothing was measured. What no check found (regions, logos, opinions) is left out.
    """
    out: dict[str, Any] = {"file": str(result.wanted.file), "verdict": result.verdict.value}
    if result.inspection is None or result.judgement is None:
        return out | {"error": result.error, "reasons": [f"The file cannot be read: {result.error}."], "checks": {}}
    inspection, judgement = result.inspection, result.judgement
    names = dict.fromkeys([*checks, *(d.check for d in judgement.defects), *(e.check for e in inspection.errors)])
    out["reasons"] = list(judgement.reasons)
    if result.wanted.expect is None:
        out["reasons"].append(NOT_JUDGED)
    if result.wanted.expect and judgement.letters:
        out["phrases"] = [
            _phrase(number, text, [x for x in judgement.letters if x.phrase == number])
            for number, text in enumerate(result.wanted.expect)
        ]
    if extra := [x for x in judgement.letters if x.phrase < 0]:
        out["extra_text"] = [{"seen": x.seen, "box": _box(x.box)} for x in extra]
    out["checks"] = {name: _check(name, inspection, judgement) for name in names}
    out |= _found(inspection)
    out["scores"] = dict(judgement.scores)
    out["credentials"] = None if result.credentials is None else dict(result.credentials)
    out["elapsed_ms"] = round(inspection.elapsed_ms, 1)
    out["ruleset_id"] = judgement.ruleset_id
    return out


def _phrase(number: int, text: str, letters: Sequence[Letter]) -> dict[str, Any]:
    """How one wanted phrase stands. Right letters are named by stretches, each other one by itself."""
    states = [x.state for x in letters]
    return {
        "phrase": number,
        "text": text,
        "right": states.count(LetterState.RIGHT),
        "wrong": states.count(LetterState.WRONG),
        "missing": states.count(LetterState.MISSING),
        "extra": states.count(LetterState.EXTRA),
        "letters": [row for state, run in groupby(letters, key=lambda x: x.state) for row in _rows(state, list(run))],
    }


def _rows(state: LetterState, run: Sequence[Letter]) -> list[dict[str, Any]]:
    if state is LetterState.RIGHT:
        boxes = [x.box for x in run if x.box is not None]
        return [
            {
                "state": state.value,
                "place": run[0].place,
                "seen": "".join(x.wanted for x in run),
                "box": _box(_around(boxes)),
                "boxes": [_box(x.box) for x in run],
            }
        ]
    return [
        {"state": state.value, "place": x.place, "wanted": x.wanted, "seen": x.seen, "box": _box(x.box)} for x in run
    ]


def _around(boxes: Sequence[Box]) -> Box | None:
    if not boxes:
        return None
    return Box(
        left=min(b.left for b in boxes),
        top=min(b.top for b in boxes),
        right=max(b.right for b in boxes),
        bottom=max(b.bottom for b in boxes),
    )


def _box(box: Box | None) -> list[int] | None:
    """Left, top, right, bottom."""
    return None if box is None else [box.left, box.top, box.right, box.bottom]


def _found(inspection: Inspection) -> dict[str, Any]:
    """What stands in the picture beside its text."""
    out: dict[str, Any] = {}
    if inspection.regions:
        out["regions"] = [_region(r) for r in inspection.regions]
    if inspection.logos:
        out["logos"] = [_rounded(asdict(logo)) for logo in inspection.logos]
    if inspection.opinions:
        out["opinions"] = [_rounded(asdict(opinion)) for opinion in inspection.opinions]
    if inspection.neighbour is not None:
        out["neighbour"] = asdict(inspection.neighbour)
    if inspection.phash is not None:
        out["phash"] = inspection.phash
    return out


def _region(region: Region) -> dict[str, Any]:
    return {
        "kind": region.kind.value,
        "check": region.check,
        "score": round(region.score, 3),
        "box": _box(region.box),
    }


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    def short(value: Any) -> Any:
        if isinstance(value, float):
            return round(value, 3)
        return [short(v) for v in cast("list[Any]", value)] if isinstance(value, list | tuple) else value

    return {name: short(value) for name, value in row.items()}


def _check(name: str, inspection: Inspection, judgement: Judgement) -> dict[str, Any]:
    defects = [d for d in judgement.defects if d.check == name]
    errors = [e.message for e in inspection.errors if e.check == name]
    out: dict[str, Any] = {
        "verdict": None,
        "score": judgement.scores.get(name),
        "evidence": [d.evidence for d in defects] + errors,
        "defects": [d.mode for d in defects],
        "numbers": {m.name: round(m.value, 4) for m in inspection.measurements if m.check == name},
    }
    if name == "text":
        out["reads"] = [_read(read) for read in inspection.reads]
        if inspection.likelihoods:
            out["likelihoods"] = [_rounded(asdict(x)) for x in inspection.likelihoods]
    if name == GLYPHS and inspection.glyphs:
        out["glyphs"] = [_glyph(g) for g in sorted(inspection.glyphs, key=lambda g: g.health)[:GLYPHS_SHOWN]]
    # What was not measured (a picture's checks on bytes that do not decode) has no verdict, and says so by null.
    if defects or errors or out["numbers"] or out.get("reads"):
        out["verdict"] = _check_verdict(defects, errors).value
    return out


def _glyph(glyph: Glyph) -> dict[str, Any]:
    return {"letter": glyph.letter, "health": round(glyph.health, 3), "reader": glyph.reader, "box": _box(glyph.box)}


def _read(read: TextRead) -> dict[str, Any]:
    return {
        "reader": read.reader,
        "elapsed_ms": round(read.elapsed_ms, 1),
        "words": [
            {"text": w.text, "confidence": round(w.confidence, 4), "box": [round(v, 1) for v in w.box]}
            for w in read.words
        ],
    }


def _check_verdict(defects: Sequence[Defect], errors: Sequence[str]) -> Verdict:
    if any(d.certain for d in defects):
        return Verdict.REJECT
    return Verdict.REVIEW if defects or errors else Verdict.ACCEPT
