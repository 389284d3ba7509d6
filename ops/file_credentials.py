"""The content credentials of a file, in short: whether they hold, who signed, what they say of its making."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.errors import Poison
from workers.checks.decode import media_type_of


def credentials_of(data: bytes) -> Mapping[str, str] | None:
    """State, signer, model, source and actions; None where the file carries no credentials.

    The state is Trusted, Valid (nobody known vouches for the signer), Invalid, or unreadable with the reason.
    """
    media_type = media_type_of(data)
    if media_type is None or b"c2pa" not in data:
        return None
    # The library takes a tenth of a second to load, and few files need it.
    from workers.finish.credentials import read_credentials

    try:
        read = read_credentials(data, media_type)
    except Poison as e:
        return {"state": f"unreadable: {e}"}
    if read is None:
        return None
    actions = _actions(read.manifest)
    nothing: dict[str, Any] = {}
    made = next((a for a in actions if "softwareAgent" in a), nothing)
    # Older manifests of others name it in one string.
    agent: Any = made.get("softwareAgent", "")
    return {
        "state": read.state,
        "signer": read.signer,
        "made_with": agent if isinstance(agent, str) else f"{agent.get('name', '')} {agent.get('version', '')}".strip(),
        "source": str(made.get("digitalSourceType", "")).rpartition("/")[2],
        "actions": ", ".join(str(a["action"]) for a in actions),
    }


def _actions(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for assertion in manifest.get("assertions", []):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            found += assertion["data"]["actions"]
    return found
