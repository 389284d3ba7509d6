"""A campaign as inspection remembers it: its control chart, pictures made twice, and looks that a person adds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import psycopg

from audit.trace import trace
from broker import clients
from broker.settings import Settings
from ops.whole_topic import whole_topic_events
from rules import looks
from rules.drift import WINDOW, chart, scores
from rules.ruleset import Ruleset
from schemas.catalogue import LOOKS
from schemas.errors import BadConfig, Transient
from schemas.events import AssetLook, ImageInspected
from schemas.registry import codec_for
from workers.checks.campaign import MOST_ASSETS
from workers.checks.phash import distance
from workers.colour import delta_e00

ACKNOWLEDGED_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One asset on the chart. Distances are ΔE00; the limits are those that held when it came, None before there are.

    `beyond` says that this asset, or the moving average with it, lay above its limit.
    """

    at_ms: int
    job_id: str
    asset_sha256: str
    distance: float
    mean: float | None
    limit: float | None
    ewma: float | None
    beyond: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """Two assets that inspection would take for one picture."""

    first: AssetLook
    second: AssetLook
    bits: int


def remembered(settings: Settings, campaign: str) -> list[AssetLook]:
    """The newest look of each job of a campaign, oldest first; as many as inspection remembers. Raises Transient."""
    kept: dict[str, AssetLook] = {}
    for event in whole_topic_events(settings, LOOKS, codec_for(settings.schema_registry_url)):
        if isinstance(event, AssetLook) and event.campaign == campaign:
            kept[event.job_id] = event
            if len(kept) > 2 * MOST_ASSETS:
                kept = {look.job_id: look for look in _newest(kept.values())}
    return _newest(kept.values())


def _newest(kept: Iterable[AssetLook]) -> list[AssetLook]:
    return sorted(kept, key=lambda look: (look.at_ms, look.event_id))[-MOST_ASSETS:]


def points(kept: Sequence[AssetLook], ruleset: Ruleset, last: int) -> list[Point]:
    """The chart of the last so many assets: each against those that came before it, as inspection measured it.

    Where assets have a brand the distance is to its palette, else from each mean colour to the mean of the former.
    """
    limits = ruleset.thresholds.limits
    known = [k for k in kept if k.colour]
    branded = [k for k in known if k.palette_distance is not None]
    known = branded or known
    out: list[Point] = []
    for i in range(max(0, len(known) - last), len(known)):
        series, value = _series(known[max(0, i - WINDOW) : i], known[i])
        mean = limit = ewma = None
        beyond = False
        if len(series) >= limits["drift.count_min"]:
            seen = chart(series, value)
            single, moving = scores(seen, limits["drift.sigma_min"], limits["drift.sigma_max"])
            sigma = min(max(seen.sigma, limits["drift.sigma_min"]), limits["drift.sigma_max"])
            reach = limits["drift.score_max"] * sigma * math.sqrt(1 + 1 / seen.count)
            mean, limit, ewma = (math.expm1(v) for v in (seen.mean, seen.mean + reach, seen.ewma))
            beyond = single > limits["drift.score_max"] or moving > limits["drift.ewma_max"]
        look = known[i]
        out.append(
            Point(
                at_ms=look.at_ms,
                job_id=look.job_id,
                asset_sha256=look.asset_sha256,
                distance=value,
                mean=mean,
                limit=limit,
                ewma=ewma,
                beyond=beyond,
            )
        )
    return out


def _series(former: Sequence[AssetLook], own: AssetLook) -> tuple[list[float], float]:
    if own.palette_distance is not None:
        return [k.palette_distance for k in former if k.palette_distance is not None], own.palette_distance
    if not former:
        return [], 0.0
    colours = np.array([k.colour for k in former])
    middle = colours.mean(axis=0)
    return [float(d) for d in delta_e00(colours, middle)], float(delta_e00(np.array(own.colour), middle))


def twins(kept: Sequence[AssetLook], ruleset: Ruleset) -> list[Twins]:
    """Pairs within the ruleset's bits, most alike first. Two that passed at the same time are here."""
    most = ruleset.thresholds["duplicate.bits_max"]
    pairs = [
        Twins(first=a, second=b, bits=distance(a.phash, b.phash))
        for a, b in combinations(kept, 2)
        if a.phash and b.phash
    ]
    return sorted((p for p in pairs if p.bits <= most), key=lambda p: p.bits)


def remember(settings: Settings, job_id: str, at_ms: int) -> AssetLook:
    """Put the asset of a job that was inspected last into its campaign's memory, whatever was judged of it.

    For what a person approved: a deliberate change of colours would otherwise go to review for ever. Sending it again
    changes nothing. Raises BadConfig where there is nothing to remember, Transient where the broker does not take it.
    """
    codec = codec_for(settings.schema_registry_url)
    with psycopg.connect(settings.database_url.get_secret_value(), autocommit=True) as conn:
        events = [s.event for s in trace(conn, job_id, codec) if isinstance(s.event, ImageInspected)]
    look = looks.look_of(events[-1], at_ms) if events else None
    if look is None:
        raise BadConfig(f"no asset of job {job_id} was inspected, or it has no campaign", mend="see audit trace")
    producer = clients.producer(settings)
    producer.produce(LOOKS, key=job_id.encode(), value=codec.encode(look))
    if producer.flush(ACKNOWLEDGED_S):
        raise Transient(f"the look was not acknowledged in {ACKNOWLEDGED_S:g} s")
    return look
