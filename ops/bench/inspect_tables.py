"""What `bench inspect` prints for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ops.bench.corpus_kinds import Damage, Kind
from ops.bench.inspect_corpus import CorpusFigures
from ops.bench.inspect_jobs import Outcome
from ops.bench.inspect_speed import EASYOCR, OURS, SIDE_PX, SpeedFigures
from ops.bench.intervals import Share, wilson
from ops.bench.stack import machine
from ops.console import out, print_table
from schemas.events import Verdict

CORPUS_COLUMNS = (">pictures", ">accept", ">review", ">reject", ">accepted, %")
NAMED = 3
"""Fewest pictures of a kind or damage for which a share says anything at all."""


def show_corpus(seen: CorpusFigures) -> None:
    """Verdicts by kind and by damage, and how the goals stand."""
    sound, damaged = seen.sound, seen.damaged
    title = f"{seen.machine}; {len(seen.outcomes)} pictures of {seen.split}; readers {', '.join(seen.readers)}"
    rows = [(kind, *_row([o for o in sound if o.kind is kind])) for kind in Kind]
    print_table(("sound", *CORPUS_COLUMNS), [*rows, ("all", *_row(sound))], title=title)
    rows = [(kind, *_row([o for o in damaged if o.kind is kind])) for kind in Kind]
    print_table(("damaged, by kind", *CORPUS_COLUMNS), rows)
    rows = [(damage, *_row([o for o in damaged if o.damage is damage])) for damage in Damage]
    print_table(("damaged, by damage", *CORPUS_COLUMNS), [*rows, ("all", *_row(damaged))])
    print_table(
        ("goal", ">limit", ">seen, %", "stands"),
        [(g.name, f"{'≥' if g.at_least else '≤'} {g.limit:.1%}", percent(g.seen), g.standing) for g in seen.goals()],
    )
    lines = out()
    times = sorted(o.seconds for o in seen.outcomes)
    lines.print(
        f"Inspected in {times[len(times) // 2]:.2f} s (median) and {times[round(0.95 * (len(times) - 1))]:.2f} s (p95)."
    )
    lines.print("In brackets, 95 % Wilson intervals. A goal is met or missed where the whole interval lies on one side")
    lines.print("of its limit, and undecided where the pictures are too few to tell.")
    if not seen.cjk:
        lines.print("No font for Chinese and Japanese is here (extra `cjk`): Greek stands in their place.")
    if not seen.script:
        lines.print("No script faces are here (extra `models`): italics stand in their place.")


def _row(outcomes: Iterable[Outcome]) -> tuple[object, ...]:
    verdicts = [o.verdict for o in outcomes]
    counts = [verdicts.count(v) for v in (Verdict.ACCEPT, Verdict.REVIEW, Verdict.REJECT)]
    return len(verdicts), *counts, percent(wilson(counts[0], len(verdicts))) if len(verdicts) >= NAMED else ""


def percent(share: Share) -> str:
    """A share with its interval, in per cent."""
    if not share.total:
        return ""
    return f"{100 * share.hits / share.total:.1f} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def show_speed(figures: Mapping[str, SpeedFigures], *, left_out: Sequence[str]) -> None:
    """Each way to inspect on one line, and why others are not there."""
    print_table(
        ("on one core", ">images/s", ">p50 s", ">p95 s", ">peak MiB", ">right refused", ">wrong accepted"),
        [
            (
                name,
                f"{f.images_per_s:.2f}",
                f"{f.p50_s:.2f}",
                f"{f.p95_s:.2f}",
                f"{f.peak_mib:.0f}",
                f"{f.right_refused} of {f.right}",
                f"{f.wrong_accepted} of {f.wrong}",
            )
            for name, f in figures.items()
        ],
        title=f"{machine()}; {next(iter(figures.values())).pictures} pictures of {SIDE_PX} x {SIDE_PX}",
    )
    lines = out()
    for why in left_out:
        lines.print(why)
    if EASYOCR in figures:
        times = figures[OURS].images_per_s / figures[EASYOCR].images_per_s
        lines.print(f"{times:.1f} times as fast as plain EasyOCR; the goal is 10, at fewer errors of both kinds.")
    lines.print(
        "Plain readings are accepted where they show every phrase, folded as the inspection folds it, and no more."
    )
