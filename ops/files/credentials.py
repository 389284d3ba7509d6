"""The content credentials of a file, in short: whether they hold, who signed, what they say of its making."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

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
    return {
        "state": read.state,
        "signer": read.signer,
        "made_with": _agent(made.get("softwareAgent", "")),
        "source": str(made.get("digitalSourceType", "")).rpartition("/")[2],
        "actions": ", ".join(str(a.get("action", "unnamed")) for a in actions),
    }


def _agent(said: object) -> str:
    """Name and version; older manifests of others name it in one string."""
    if not isinstance(said, dict):
        return str(said)
    named = cast("dict[str, Any]", said)
    return f"{named.get('name', '')} {named.get('version', '')}".strip()


def _actions(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The actions named; anybody may have written the manifest, so what is no action is passed over."""
    found: list[dict[str, Any]] = []
    for assertion in manifest.get("assertions", []):
        data: object = assertion.get("data")
        if str(assertion.get("label", "")).startswith("c2pa.actions") and isinstance(data, dict):
            named: object = cast("dict[str, Any]", data).get("actions")
            found += [a for a in cast("list[Any]", named) if isinstance(a, dict)] if isinstance(named, list) else []
    return found
