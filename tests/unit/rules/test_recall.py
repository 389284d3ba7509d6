"""Recalls: what a ruleset rejects of what was delivered, once, and nothing else."""

from dataclasses import replace

from rules.decide import on_inspected
from rules.recall import Delivered, Wrong, recalled
from schemas.events import AssetApproved, ImageInspected, Rendering
from schemas.ids import event_id
from tests.unit.rules.samples import inspection, job, rendering, routed, ruleset


def seen(**values: float) -> ImageInspected:
    return ImageInspected(
        event_id=event_id("x", "inspect"), at_ms=1, request=routed(job()), rendering=rendering(),
        inspection=inspection(**values),  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


def approved() -> AssetApproved:
    event = on_inspected(seen(), ruleset(), {}, 2)
    assert isinstance(event, AssetApproved)
    return event


def test_what_the_rules_reject_now_is_wrong_once():
    there = Delivered()
    there.take(approved())
    assert there.judged(seen(), ruleset()) is None
    wrong = there.judged(seen(blank__luma_std=0.0, blank__flat_share=1.0), ruleset())
    assert isinstance(wrong, Wrong)
    assert wrong.defects
    assert wrong.approval_id == approved().event_id
    event = recalled(wrong, ruleset_id=ruleset().id, recovery_id=None, who="ann", why="blank", at_ms=3)
    assert event.event_id == recalled(wrong, ruleset_id=None, recovery_id="r", who="bob", why="", at_ms=9).event_id
    there.take(event)
    assert there.judged(seen(blank__luma_std=0.0, blank__flat_share=1.0), ruleset()) is None
    assert there.of_asset(wrong.asset_sha256, ()) == ()


def test_what_was_never_delivered_is_no_matter():
    there = Delivered()
    nothing: Rendering = replace(rendering(), asset=None)
    there.take(replace(approved(), rendering=nothing))
    assert there.judged(seen(blank__luma_std=0.0, blank__flat_share=1.0), ruleset()) is None
    there.take(approved())
    (named,) = there.of_asset("bbbbbbbb", ("wrong-logo",))
    assert (named.defects, named.replay_id) == (("wrong-logo",), None)
    assert there.of_asset("cc", ()) == ()
