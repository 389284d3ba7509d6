"""What a host offers beside rendering: a description of a picture, or a larger one. No stage asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from broker.settings import Settings
from ops.engines.once import OnlyOne
from rules.engines import EngineProfile, HostedApi
from schemas.errors import BadConfig, Poison
from workers.checks.decode import media_type_of
from workers.engines import hosts, ideogram
from workers.engines.hosted import MOST_INPUT_BYTES, PICTURE_TYPES, HostedEngine, Picture

DESCRIBE: Final = "describe"
UPSCALE: Final = "upscale"
OPERATIONS: Final = (DESCRIBE, UPSCALE)


def asked(profile: EngineProfile, settings: Settings, operation: str, path: Path) -> tuple[str, ...] | Picture:
    """What the host of a profile says of a picture, or makes of it.

    Raises BadConfig where there is no such host, key or operation, Poison where the file or the host refuses,
    Transient where the host is away.
    """
    if operation not in OPERATIONS:
        raise BadConfig(f"there is no operation {operation!r}", mend=f"choose {' or '.join(OPERATIONS)}")
    engine = _engine(profile, settings)
    data, media_type = _read(path)
    if operation == DESCRIBE:
        return engine.aside(DESCRIBE, lambda talk: ideogram.describe(talk, data, media_type))
    return engine.aside(UPSCALE, lambda talk: ideogram.upscale(talk, data, media_type))


def _engine(profile: EngineProfile, settings: Settings) -> HostedEngine:
    hosted = profile.hosted
    if hosted is None or hosted.api is not HostedApi.IDEOGRAM:
        raise BadConfig(f"{profile.id} has no host that describes or enlarges", mend="name one on the Ideogram API")
    there, why = hosts.found(hosted, settings)
    if not there and not hosts.lacks_only_slots(hosted, settings):
        raise BadConfig(f"{profile.id} cannot be asked: {why}")
    return hosts.engine(profile, settings, None if there else OnlyOne)


def _read(path: Path) -> tuple[bytes, str]:
    try:
        data = path.read_bytes()
    except OSError as e:
        raise Poison(f"{path} cannot be read: {e.strerror}") from e
    media_type = media_type_of(data)
    if media_type not in PICTURE_TYPES:
        raise Poison(f"{path} is no PNG, JPEG or WebP")
    if len(data) > MOST_INPUT_BYTES:
        raise Poison(f"{path} has {len(data)} bytes, the host takes {MOST_INPUT_BYTES}")
    return data, media_type
