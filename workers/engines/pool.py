"""Several engines in one process: built when first needed, and swapped so that what is loaded fits the accelerator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from rules.engines import EngineProfile, Offload
from workers.engines.port import Engine

GB: Final = 10**9
LEAST_RESERVE: Final = 6 * GB
RESERVED_SHARE: Final = 0.2
"""What a batch needs beside the weights: activations of four pictures of 1024 x 1024, and their decoding one by one."""

Build = Callable[[EngineProfile], Engine]
"""Makes the engine of a profile. Raises BadConfig where it cannot run here."""


def budget(device_bytes: int) -> int:
    """Bytes that loaded engines may fill on a device of a size: all but a reserve for the batch under way."""
    return max(0, device_bytes - max(LEAST_RESERVE, int(device_bytes * RESERVED_SHARE)))


@dataclass(slots=True)
class _Place:
    """An engine, the profile that it was built by, and the most that it was seen to hold, bytes; None before."""

    profile: EngineProfile
    engine: Engine
    needs: int | None = None

    @property
    def at_hand(self) -> bool:
        """Whether it is loaded, or was seen to need no accelerator."""
        return self.engine.resident_bytes > 0 or self.needs == 0


@dataclass(slots=True)
class Pool:
    """The engines of one process. One thread at a time uses it.

    serves: Ids of the engines that may be asked for.
    budget_bytes: Gives what loaded engines may fill together, bytes; asked when first needed. An engine that alone
        needs more is loaded by itself: how it then fits (offload, quantisation) is between its profile and the device.
    """

    build: Build
    serves: frozenset[str]
    budget_bytes: Callable[[], int]
    _places: dict[str, _Place] = field(default_factory=dict[str, _Place])
    """By engine id, the one used last at the end."""

    def engine(self, profile: EngineProfile) -> Engine | None:
        """The engine of a profile, built now if need be; None where this process serves none.

        A ruleset that changed how it is built gets a new engine. The others leave the accelerator first: weights may be
        put there at once, and how much they are is not known yet. Raises BadConfig where it cannot run here.
        """
        if profile.id not in self.serves:
            return None
        if (found := self.built(profile)) is not None:
            return found
        self._park(profile.id, needs=None)
        former = self._places.pop(profile.id, None)
        if former is not None:
            former.engine.park()
        self._places[profile.id] = place = _Place(profile, self.build(profile))
        return place.engine

    def built(self, profile: EngineProfile) -> Engine | None:
        """The engine of this profile, if it is built."""
        place = self._places.get(profile.id)
        return place.engine if place is not None and place.profile.built_like(profile) else None

    def ready(self, profile: EngineProfile) -> bool:
        """Whether it could render at once: it is loaded, or was seen to need nothing on the accelerator.

        One that sets text over the art of another is not ready while that other is parked.
        """
        place = self._places.get(profile.id)
        if place is None or not place.profile.built_like(profile):
            return False
        painter = None if profile.art is None else self._places.get(profile.art)
        return place.at_hand and (painter is None or painter.at_hand)

    def make_room(self, profile: EngineProfile) -> None:
        """Before an engine renders: the others leave the accelerator, longest unused first, until all fits.

        One that never rendered is taken to need everything: its size is known once it has been there.
        """
        mine = self._places.pop(profile.id)
        self._places[profile.id] = mine
        self._park(profile.id, mine.needs)

    def used(self, profile: EngineProfile, *, rendered: bool = True) -> None:
        """After an engine was asked: remember what it holds; `rendered` says whether a picture came of it.

        One that holds nothing and rendered nothing may have found no room, or had nothing to do: what it needs stays
        unknown. So it does for one that is offloaded: it holds nothing after a call, and much during it.
        """
        place = self._places[profile.id]
        held = place.engine.resident_bytes
        if held or (rendered and profile.loading.offload is Offload.NONE):
            place.needs = max(place.needs or 0, held)

    def _park(self, for_engine: str, needs: int | None) -> None:
        """Park others until so many bytes (None: an unknown number) fit beside those that stay."""
        others = [p for name, p in self._places.items() if name != for_engine and p.engine.resident_bytes > 0]
        if not others or needs == 0:
            return
        room = self.budget_bytes()
        loaded = sum(p.engine.resident_bytes for p in others)
        for place in others:
            if needs is not None and needs + loaded <= room:
                return
            held = place.engine.resident_bytes
            place.engine.park()
            loaded -= held
            structlog.get_logger(__name__).info(
                "engine parked", engine=place.profile.id, for_engine=for_engine, megabytes=held // 10**6
            )

    @property
    def resident(self) -> tuple[str, ...]:
        """Engines that hold accelerator memory, the one used last in front."""
        return tuple(name for name, p in reversed(self._places.items()) if p.engine.resident_bytes > 0)
