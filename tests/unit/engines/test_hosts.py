"""Which engines are served by a host, and what is missing where they are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broker.settings import Settings
from rules.engines import EngineKind, Hosted, HostedApi
from tests import renders
from workers.engines import registry
from workers.engines.registry import Way

IDEOGRAM = Hosted(api=HostedApi.IDEOGRAM, model="V_1", url="https://api.ideogram.ai", in_flight=10)
STABILITY = Hosted(api=HostedApi.STABILITY, model="sd3.5-flash", url="https://api.stability.ai", in_flight=10)
DATABASE = {"database_url": "postgresql://ann:word@db.example/presscheck"}


def settings(**given: str) -> Settings:
    return Settings.model_validate(given)


@pytest.mark.parametrize(
    ("hosted", "api", "kind"),
    [
        (IDEOGRAM, "ideogram", EngineKind.HTTP),
        (STABILITY, "stability", EngineKind.HTTP),
        (STABILITY, "stability", EngineKind.SD3),  # no weights here: the host instead
    ],
)
def test_a_key_and_a_database_make_a_hosted_engine(hosted: Hosted, api: str, kind: EngineKind) -> None:
    profile = renders.profile(kind, hosted=hosted)
    given = settings(**{f"{api}_api_key": "sk-hunter2"}, **DATABASE)
    state = registry.availability(profile, given)
    assert (state.way, state.why) == (
        Way.HOSTED,
        f"hosted by {hosted.url.removeprefix('https://')}, key in PRESSCHECK_{api.upper()}_API_KEY",
    )
    engine = registry.build(profile, given, lambda _: ())
    assert (engine.backend, engine.device) == (api, hosted.url.removeprefix("https://"))


def test_what_is_missing_is_named() -> None:
    profile = renders.profile(EngineKind.HTTP, hosted=IDEOGRAM)
    state = registry.availability(profile, settings(**DATABASE))
    assert state.way is None
    assert state.why.startswith("hosted by api.ideogram.ai: put its key into PRESSCHECK_IDEOGRAM_API_KEY, or the path")
    state = registry.availability(profile, settings(ideogram_api_key="sk-hunter2"))
    assert state.way is None
    assert "set PRESSCHECK_DATABASE_URL" in state.why
    assert registry.availability(replace(profile, hosted=None), settings()).why == "its profile names no host"
    both = registry.availability(renders.profile(EngineKind.SD3, hosted=STABILITY), settings())
    assert both.way is None
    assert both.why.startswith("no weights: ")
    assert "; or hosted by api.stability.ai: put its key into PRESSCHECK_STABILITY_API_KEY" in both.why
