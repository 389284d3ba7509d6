"""Draws how soon rules take a bad roll-out back, as an SVG: the share taken back, over verdicts of the candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from ops.bench.rollout import HARM, Alarm, Scenario

WIDTH: Final = 920
HEIGHT: Final = 420
LEFT, TOP, RIGHT, BOTTOM = 70, 40, 330, 60
INK: Final = "#1d2736"
FAINT: Final = "#66728a"
COLOURS: Final = ("#0a7ea4", "#16794c", "#6d4bb0", "#a86400", "#c2410c", "#57534e")


def draw(played: Sequence[tuple[Scenario, Mapping[str, Alarm | None]]]) -> str:
    """The picture of the scenario that is worse from the first job on; a line a rule, in the order of the table.

    Beside each name: the share of sound roll-outs, without drift, that the same rule took back.
    """
    worse = [found for scenario, found in played if scenario is Scenario.WORSE]
    same = [found for scenario, found in played if scenario is Scenario.SAME]
    names = list(worse[0]) if worse else []
    taken = {name: sorted(a.candidate_jobs for found in worse if (a := found[name])) for name in names}
    # The curves flatten where ours is done; what comes later would only squeeze them.
    far = max([1, *(jobs[min(len(jobs) - 1, int(0.99 * len(jobs)))] for jobs in taken.values() if jobs)])
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(jobs: float, share: float) -> str:
        return f"{LEFT + min(1.0, jobs / far) * wide:.1f},{TOP + (1 - share) * high:.1f}"

    title = f"Bad roll-outs (+{100 * HARM:g} points) taken back, by verdicts of the candidate"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        f' font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="{escape(title)}">'
    )
    parts = [
        head,
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" fill="{INK}" font-size="15">{escape(title)}</text>',
    ]
    for step in range(6):
        x, base = at(far * step / 5, 0).split(",")
        low, y = at(0, step / 5).split(",")
        under, beside = float(base) + 20, float(y) + 4
        parts += [
            f'<polyline points="{at(0, step / 5)} {at(far, step / 5)}" stroke="#e5e8ee" fill="none"/>',
            f'<text x="{x}" y="{under:.1f}" fill="{FAINT}" text-anchor="middle">{far * step / 5:.0f}</text>',
            f'<text x="{float(low) - 8:.1f}" y="{beside:.1f}" fill="{FAINT}" text-anchor="end">{step / 5:.0%}</text>',
        ]
    for number, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        line, y = _steps(taken[name], len(worse), far), TOP + 14 + number * 36
        points = " ".join(at(jobs, share) for jobs, share in line)
        false = sum(found[name] is not None for found in same) / len(same) if same else 0.0
        said = f"takes back {false:.1%} of sound ones"
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<rect x="{WIDTH - RIGHT + 20}" y="{y - 10}" width="12" height="12" fill="{colour}"/>',
            f'<text x="{WIDTH - RIGHT + 40}" y="{y}" fill="{INK}">{escape(name)}</text>',
            f'<text x="{WIDTH - RIGHT + 40}" y="{y + 15}" fill="{FAINT}" font-size="11">{said}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _steps(jobs: Sequence[int], of: int, far: float) -> list[tuple[float, float]]:
    """A staircase from nothing to the share taken back, a corner at each hundredth at most."""
    step = max(1, len(jobs) // 100)
    corners = [(float(jobs[n]), (n + 1) / of) for n in range(0, len(jobs), step)]
    end = len(jobs) / of
    return [(0.0, 0.0), *((x, y) for x, y in corners if x <= far), (far, end)]
