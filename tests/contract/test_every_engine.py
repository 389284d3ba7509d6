"""No kind of engine is left out of the contract."""

from __future__ import annotations

from rules.engines import EngineKind, HostedApi
from tests.contract.test_engines import SUBJECTS


def test_every_kind_and_every_api_is_held_to_the_contract() -> None:
    kinds = {kind.value for kind in EngineKind if kind is not EngineKind.HTTP}
    assert kinds | {api.value for api in HostedApi} <= set(SUBJECTS)
