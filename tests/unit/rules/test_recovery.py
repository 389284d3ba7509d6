"""Recoveries: which assets are meant, when a batch may be released, and a plan that reads back as it was."""

from dataclasses import replace

import pytest

from rules.limits import BARS, GUARDS, parse_limit
from rules.recovery import ENDED, NEXT, TOPIC, Look, Recovery, Terms, recovery_of, validated, where_of
from rules.replay_plan import Asked, Chooser, Entry, Place, Span
from rules.where import parse_where
from schemas.events import ImageInspected, Origin, Preset, RecoveryStep
from schemas.ids import event_id
from tests.unit.rules.samples import inspection, job, rendering, routed, ruleset

ASKED = Asked(
    topic=TOPIC, source="log", where="", engine=None, preset=Preset.SAFE, lane=None, hold="h", rate=20, limit=None,
    cap=3, latest=True,
)  # fmt: skip


def attempt(number: int, offset: int, *, sound: bool) -> Entry:
    values = {} if sound else {"blank__luma_std": 0.0, "blank__flat_share": 1.0}
    event = ImageInspected(
        event_id=event_id("x", "inspect", str(number)), at_ms=offset, request=replace(routed(job()), attempt=number),
        rendering=rendering(), inspection=inspection(**values),  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    place = Place(timestamp_ms=offset, partition=0, offset=offset)
    return Entry(place=place, origin=Origin(topic=TOPIC, partition=0, offset=offset), event=event)


def planned(*, latest: bool, sound: tuple[bool, ...]):
    where = parse_where(where_of(), TOPIC, ruleset())
    chooser = Chooser(replace(ASKED, latest=latest), where, ruleset())
    for n, ok in enumerate(sound):
        chooser.take(attempt(n, n, sound=ok))
    return chooser.finish([Span(partition=0, start=0, end=9)], {})[0]


def test_an_asset_is_meant_by_its_jobs_last_verdict():
    assert planned(latest=True, sound=(False, True)).jobs == 0
    assert planned(latest=True, sound=(False, True, False)).jobs == 1
    assert planned(latest=False, sound=(False, True)).jobs == 1
    assert planned(latest=True, sound=(True,)).jobs == 0


def test_the_condition_joins_what_is_given():
    assert where_of() == "verdict!=accept"
    given = where_of(
        rulesets=["abcdef"], engines=["sd3.5-large", "typeset"], modes=["wrong-logo"], more="lane=critical"
    )
    assert given == (
        "verdict!=accept and (ruleset=abcdef) and (engine=sd3.5-large or engine=typeset) and (mode=wrong-logo)"
        " and (lane=critical)"
    )
    parse_where(given.replace("wrong-logo", "corrupt-bytes"), TOPIC, ruleset())


def test_a_plan_reads_back_as_it_was():
    terms = Terms(
        bars=(parse_limit("artifact-rate<=2%", BARS, option="--bar"),), lot=20, pause_s=10,
        guards=(parse_limit("touch-up-rate<=5%", GUARDS, option="--guard"),),
    )  # fmt: skip
    plan = Recovery(from_ms=1, to_ms=2, replay=planned(latest=True, sound=(False,)), terms=terms)
    assert recovery_of(plan.document) == plan


@pytest.mark.parametrize(
    ("ended", "rate", "found"), [(9, 0.0, None), (10, 0.0, 0), (10, 0.02, 0), (10, 0.03, 1), (12, None, 1)]
)
def test_a_batch_is_held_against_the_bar_once_it_is_whole(ended: int, rate: float | None, found: int | None):
    bars = (parse_limit("artifact-rate<=2%", BARS, option="--bar"),)
    missed = validated(Look(jobs=10, ended=ended, figures={"artifact-rate": rate}), bars)
    assert (None if missed is None else len(missed)) == found


def test_every_step_has_its_followers_and_the_last_ones_have_none():
    assert set(NEXT) == set(RecoveryStep)
    assert {s for s, after in NEXT.items() if not after} == ENDED
    assert all(RecoveryStep.CANCELLED in after for after in NEXT.values() if after)
