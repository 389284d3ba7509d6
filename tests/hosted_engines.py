"""Hosted engines for the tests: real ones, before the server of `hosted_server`, with slots in a real database."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from pydantic import SecretStr

from broker.leases import LEASE_S, Slots, pool_of
from rules.engines import EngineKind, EngineProfile, Hosted, HostedApi
from schemas.events import FileRole
from tests import renders
from tests.hosted_server import KEY, Server
from workers.engines import hosted_links
from workers.engines.hosted import Api, HostedEngine, host_of
from workers.engines.hosted_links import Resolve
from workers.engines.ideogram import Ideogram
from workers.engines.stability import Stability

APIS: dict[HostedApi, Api] = {HostedApi.IDEOGRAM: Ideogram(), HostedApi.STABILITY: Stability()}
MODELS = {HostedApi.IDEOGRAM: "V_1", HostedApi.STABILITY: "sd3.5-flash"}
PRICE_USD = 0.06


@dataclass(frozen=True)
class Made:
    """An engine in front of a server."""

    api: HostedApi
    server: Server
    dsn: str
    key: str = KEY
    timeout_s: float = 30.0
    in_flight: int = 10
    lease_s: float = LEASE_S
    operations: tuple[str, ...] = ("remix",)
    max_pixels: int = 1024 * 1024
    resolver: Resolve = hosted_links.resolve

    @property
    def profile(self) -> EngineProfile:
        hosted = Hosted(
            api=self.api,
            model=MODELS[self.api],
            url=self.server.url,
            in_flight=self.in_flight,
            operations=self.operations,
        )
        return renders.profile(
            EngineKind.HTTP,
            hosted=hosted,
            max_pixels=self.max_pixels,
            file_roles=(FileRole.INIT_IMAGE,),
            price_per_image_usd=PRICE_USD,
            timeout_s=self.timeout_s,
        )

    def engine(self, profile: EngineProfile | None = None) -> HostedEngine:
        profile, key = profile or self.profile, SecretStr(self.key)
        assert profile.hosted is not None
        variable = f"PRESSCHECK_{self.api.value.upper()}_API_KEY"
        host = host_of(profile.hosted, key, variable, self.timeout_s, self.resolver)
        pool = pool_of(self.api.value, key)
        slots = partial(Slots, SecretStr(self.dsn), pool, self.in_flight, lease_s=self.lease_s)
        return HostedEngine(profile, profile.hosted, APIS[self.api], host, slots)
