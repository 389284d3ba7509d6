"""Random audits: which assets a person is to label whatever the verdict, chosen by a hash that nobody can steer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from rules.tree import Node
from schemas.events import Verdict

RANGE: Final = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Audits:
    """Shares of accepts (with what only doubt keeps from being one) and of rejects that are chosen, 0 to 1."""

    salt: str
    accept_share: float
    reject_share: float

    def choose(self, job_id: str, asset_sha256: str, verdict: Verdict, *, candidate: bool) -> bool:
        """Whether the asset is in the sample.

        `candidate`: every check passed it. Such assets are drawn at one rate, whether doubt sends them to review or
        not, so that the sample says as much of thresholds that are not in force. Reviews for other grounds are
        looked at anyway, and drawn never.
        """
        share = self.accept_share if candidate else self.reject_share if verdict is Verdict.REJECT else 0.0
        digest = hashlib.sha256(f"{self.salt}/{job_id}/{asset_sha256}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < share * RANGE


def parse_audits(node: Node) -> Audits:
    """`audits` of verdict.yml. Raises BadConfig."""
    f = node.fields(["salt", "accept_share", "reject_share"])
    return Audits(
        salt=f["salt"].text(),
        accept_share=f["accept_share"].number(0, 1),
        reject_share=f["reject_share"].number(0, 1),
    )
