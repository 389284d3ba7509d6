"""`presscheck share`: one page about a picture or a comparison, for people who see nothing else of the system."""

from __future__ import annotations

import time
import webbrowser
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import psutil
import typer
from typer.core import TyperGroup

from ops.console import EXIT_FINDING, JsonOption, StateOption, err, out, print_json, print_table
from ops.rulesets import read_config
from ops.running import running_stack
from schemas.events import ShareChanged
from store import shares
from store.artifacts import ArtifactStore, open_store

MAKE: Final = "make"


class Shares(TyperGroup):
    """`share TARGET` is `share make TARGET`: what names no command is something to share.

    Contexts are Any: typer keeps their types to itself.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `make` before a target or its options."""
        known = {*self.list_commands(ctx), "--help", "-h"}
        return super().parse_args(ctx, args if not args or args[0] in known else [MAKE, *args])


app = typer.Typer(
    cls=Shares,
    add_completion=False,
    no_args_is_help=True,
    help="`presscheck share ASSET` makes one page of a picture, under an address for good; a replay makes one of a"
    " comparison. The commands below list shares, fetch them and take them back.",
)

WhoOption = Annotated[str | None, typer.Option("--who", help="Who does it (default: the user of this process).")]
ShareArgument = Annotated[str, typer.Argument(metavar="SHARE_ID", help="Id of a share; 8 digits of it will do.")]


@app.command(MAKE)
def make(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="ASSET|COMPARISON", help="A picture by sha256 or job, or replays to compare."),
    ],
    *,
    title: Annotated[str, typer.Option("--title", help="Title of the page.")] = "",
    who: WhoOption = None,
    why: Annotated[str, typer.Option("--why", help="Why; not on the page.")] = "",
    comparison: Annotated[
        bool, typer.Option("--compare", help="Show a job next to its replays, not only what it came to.")
    ] = False,
    any_verdict: Annotated[
        bool, typer.Option("--any-verdict", help="Also a picture that was not accepted; the page warns.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=60, help="Jobs on the page of a comparison.")] = 24,
    first: Annotated[bool, typer.Option("--first", help="Compare first attempts, not what came of repairs.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Share a picture or a comparison. The same page is always the same address.

    The page holds the picture, prompt, provenance, content credentials and
    checks: no ids of jobs, no paths, hosts or settings, nobody's name. It
    stays until it is revoked.
    """
    from audit.migrate import connect
    from audit.statements import statement
    from ops import share
    from schemas.registry import codec_for

    settings = running_stack(state)
    store = open_store(settings)
    modes = read_config(settings.config_dir).failure_modes
    alone = len(targets) == 1 and share.is_asset(targets[0]) and not comparison
    with connect(settings.database_url.get_secret_value()) as conn:
        conn.execute(statement("one_snapshot"))
        if alone:
            codec = codec_for(settings.schema_registry_url)
            page = share.asset_page(conn, store, codec, modes, targets[0], title=title, any_verdict=any_verdict)
        else:
            page = share.comparison_page(conn, store, modes, targets, title=title, limit=limit, first=first)
    change, new = share.publish(settings, store, page, who=who or _user(), why=why, at_ms=_now_ms())
    if as_json:
        print_json({"new": new, **_facts(change, store)})
        return
    out().print(f"{'shared' if new else 'shared before'}: {change.title}", markup=False)
    out().print(shares.address_of(store, change.share_id), markup=False)
    out().print(f"take it back with: presscheck share revoke {change.share_id[:16]}", markup=False)


@app.command("list")
def list_command(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Revoked ones too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Shares on a page.")] = 50,
    page: Annotated[int, typer.Option("--page", min=1, help="Which page.")] = 1,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what is shared, the newest first."""
    from ops import share

    settings = running_stack(state, database=False)
    store = open_store(settings)
    found = [s for s in share.current(settings) if s.active or everything]
    shown = found[(page - 1) * limit : page * limit]
    rest = page + 1 if page * limit < len(found) else None
    if as_json:
        print_json({"shares": [_facts(s, store) for s in shown], "total": len(found), "next_page": rest})
        return
    if not shown:
        out().print("nothing is shared")
        return
    print_table(
        ("share", "title", "state", "since", ">kB", "who", "why"),
        [
            (
                s.share_id[:16], s.title, "shared" if s.active else "revoked", _shown(s.at_ms),
                -(-s.size_bytes // 1024), s.who, s.why,
            )
            for s in shown
        ],
    )  # fmt: skip
    if rest is not None:
        out().print(f"{len(shown)} of {len(found)}; go on with --page {rest}")


@app.command("revoke")
def revoke_command(
    share_id: ShareArgument,
    *,
    why: Annotated[str, typer.Option("--why", help="Why it is taken back.")] = "",
    who: WhoOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a share back: its address answers no more. Copies that others saved cannot be taken back."""
    from ops import share

    settings = running_stack(state, database=False)
    store = open_store(settings)
    change, done = share.revoke(settings, store, share_id, who=who or _user(), why=why, at_ms=_now_ms())
    if as_json:
        print_json({"revoked": done, **_facts(change, store)})
        return
    out().print(f"{'revoked' if done else 'revoked before'}: {change.title}", markup=False)
    out().print("its address answers no more; what others saved or printed stays with them")


@app.command("get")
def get_command(
    share_id: ShareArgument,
    to: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="Where to write the page.")],
    state: StateOption = None,
) -> None:
    """Write a shared page to a file, its bytes held against its address. Status 1 where it was revoked."""
    to.write_bytes(_fetched(share_id, state)[1])
    out().print(f"written: {to}", markup=False)


@app.command("open")
def open_command(share_id: ShareArgument, state: StateOption = None) -> None:
    """Show a shared page in the browser. Status 1 where it was revoked."""
    change, data = _fetched(share_id, state)
    folder = running_stack(state, database=False).state_dir.absolute() / "shared"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{change.share_id}.html"
    path.write_bytes(data)
    if not webbrowser.open(path.as_uri()):
        out().print(f"no browser is here; the page is {path}", markup=False)


def _fetched(share_id: str, state: Path | None) -> tuple[ShareChanged, bytes]:
    from ops import share
    from schemas.errors import Poison

    settings = running_stack(state, database=False)
    store = open_store(settings)
    try:
        return share.fetch(settings, store, share_id)
    except Poison as e:
        err().print(f"presscheck: {e}", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_FINDING) from e


def _facts(change: ShareChanged, store: ArtifactStore) -> dict[str, object]:
    return {**asdict(change), "address": shares.address_of(store, change.share_id)}


def _user() -> str:
    return psutil.Process().username()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _shown(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")
