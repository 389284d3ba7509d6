"""Which hosts our settings hold a key for, and the engine in front of one; httpx is imported only to build it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, assert_never
from urllib.parse import urlsplit

from pydantic import SecretStr

from broker.settings import PREFIX, Settings
from rules.engines import EngineProfile, Hosted, HostedApi
from schemas.errors import BadConfig

if TYPE_CHECKING:
    from broker.leases import Slots
    from workers.engines.hosted import HostedEngine


def found(hosted: Hosted, settings: Settings) -> tuple[bool, str]:
    """Whether a host can be used from here, and whose it is or what is missing."""
    key, variable = _key(hosted, settings)
    by = f"hosted by {urlsplit(hosted.url).hostname}"
    if not key.get_secret_value():
        return False, f"{by}: put its key into {variable}, or the path of a file with it into {variable}_FILE"
    if not settings.database_url.get_secret_value():
        return False, f"{by}: its slots are kept in the database, run `presscheck up` or set {PREFIX}DATABASE_URL"
    return True, f"{by}, key in {variable}"


def lacks_only_slots(hosted: Hosted, settings: Settings) -> bool:
    """Whether a host could be used from here but for the database that counts what is in flight."""
    return bool(_key(hosted, settings)[0].get_secret_value()) and not settings.database_url.get_secret_value()


def engine(profile: EngineProfile, settings: Settings, slots: Callable[[], Slots] | None = None) -> HostedEngine:
    """The engine in front of a profile's host; `slots` counts in place of the database.

    Raises BadConfig where the profile has no host.
    """
    from broker.leases import Slots, pool_of
    from workers.engines.hosted import HostedEngine, host_of

    hosted = profile.hosted
    if hosted is None:
        raise BadConfig(f"{profile.id} has no host", mend="give its profile `hosted:`")
    match hosted.api:
        case HostedApi.IDEOGRAM:
            from workers.engines.ideogram import Ideogram

            api = Ideogram()
        case HostedApi.STABILITY:
            from workers.engines.stability import Stability

            api = Stability()
        case _:
            assert_never(hosted.api)
    key, variable = _key(hosted, settings)
    shared = partial(Slots, settings.database_url, pool_of(hosted.api.value, key), hosted.in_flight)
    return HostedEngine(profile, hosted, api, host_of(hosted, key, variable, profile.timeout_s), slots or shared)


def _key(hosted: Hosted, settings: Settings) -> tuple[SecretStr, str]:
    """The key of a host, empty where there is none, and the variable that holds it."""
    match hosted.api:
        case HostedApi.IDEOGRAM:
            return settings.ideogram_api_key, f"{PREFIX}IDEOGRAM_API_KEY"
        case HostedApi.STABILITY:
            return settings.stability_api_key, f"{PREFIX}STABILITY_API_KEY"
        case _:
            assert_never(hosted.api)
