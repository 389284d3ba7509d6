"""What an inspect process remembers of campaigns: how their latest accepted assets look. Bounded, newest kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Protocol

from schemas.events import AssetLook, Event

MOST_ASSETS: Final = 200
"""Assets remembered of each campaign; the oldest goes first."""
MOST_CAMPAIGNS: Final = 500
"""Campaigns remembered, of about 300 bytes an asset: 30 MB at most. The one that was quiet for longest goes first."""


class Campaigns(Protocol):
    """What came before an asset in its campaign."""

    def former(self, campaign: str, job_id: str) -> Sequence[AssetLook]:
        """Looks of other jobs of the campaign, oldest first; none where the campaign is unknown or has no name."""
        ...


class NoCampaigns:
    """Nothing came before: for single files, and where nothing is remembered."""

    def former(self, campaign: str, job_id: str) -> Sequence[AssetLook]:
        """Nothing."""
        return ()


class CampaignMemory:
    """The latest looks of each campaign. Safe to share between threads.

    An asset that was accepted a moment ago in another process is not here yet: two alike that are inspected at the same
    time both pass.
    """

    def __init__(self, *, assets: int = MOST_ASSETS, campaigns: int = MOST_CAMPAIGNS) -> None:
        self._assets, self._campaigns = assets, campaigns
        self._lock = threading.Lock()
        self._looks: OrderedDict[str, OrderedDict[str, AssetLook]] = OrderedDict()

    def take(self, key: str, event: Event | None) -> None:
        """One record of topic `looks`, as its follower hands it over. Another record, or a deletion, changes nothing.

        A later look of a job takes the place of its earlier one.
        """
        del key
        if not isinstance(event, AssetLook):
            return
        with self._lock:
            looks = self._looks.setdefault(event.campaign, OrderedDict())
            self._looks.move_to_end(event.campaign)
            looks.pop(event.job_id, None)
            looks[event.job_id] = event
            if len(looks) > self._assets:
                looks.popitem(last=False)
            if len(self._looks) > self._campaigns:
                self._looks.popitem(last=False)

    def former(self, campaign: str, job_id: str) -> Sequence[AssetLook]:
        """Looks of other jobs of the campaign, oldest first."""
        with self._lock:
            looks = self._looks.get(campaign)
            if looks is None:
                return ()
            self._looks.move_to_end(campaign)
            return tuple(look for look in looks.values() if look.job_id != job_id)
