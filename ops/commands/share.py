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

from broker.settings import Settings
from ops.console import EXIT_FINDING, JsonOption, StateOption, err, out, print_json, print_table, writable
from ops.rulesets.publish import read_config
from ops.stack.running import running_stack
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
    help="One page for people outside: of a picture (`presscheck share ASSET`) or of a comparison"
    " (`presscheck share REPLAY`), under an address for good. The commands below list shares, show them and take them"
    " back.",
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

    Example: presscheck share 5af0f0b4dcba --title "Spring poster"
    """
    from audit.migrate import connect
    from audit.statements import statement
    from ops.sharing import share
    from ops.sharing import topic as share_topic
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
    change, new = share_topic.publish(settings, store, page, who=who or _user(), why=why, at_ms=_now_ms())
    if as_json:
        print_json({"new": new, **_facts(change, store)})
    if not change.active:
        err().print(f"presscheck: {change.who} revoked it at the same time: it is not shared", markup=False)
        raise typer.Exit(EXIT_FINDING)
    if as_json:
        return
    out().print(f"{'shared' if new else 'shared before'}: {change.title}", markup=False)
    out().print(shares.address_of(store, change.share_id), markup=False)
    out().print(f"look at it with: presscheck share open {change.share_id[:16]}", markup=False)
    out().print(f"take it back with: presscheck share revoke {change.share_id[:16]}", markup=False)


@app.command("list")
def list_command(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Revoked ones too.")] = False,
    job: Annotated[str, typer.Option("--job", metavar="JOB", help="Only pages that show this job.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Shares on a page.")] = 50,
    page: Annotated[int, typer.Option("--page", min=1, help="Which page.")] = 1,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what is shared, the newest first."""
    from ops.sharing import topic as share_topic

    settings = running_stack(state, database=False)
    store = open_store(settings)
    found = [s for s in share_topic.current(settings) if (s.active or everything) and (not job or job in s.job_ids)]
    shown = found[(page - 1) * limit : page * limit]
    rest = page + 1 if page * limit < len(found) else None
    if as_json:
        print_json({"shares": [_facts(s, store) for s in shown], "total": len(found), "next_page": rest})
        return
    if not shown:
        out().print("there is no such page" if found else f"nothing {f'of job {job} ' if job else ''}is shared")
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
    from ops.sharing import topic as share_topic

    settings = running_stack(state, database=False)
    store = open_store(settings)
    change, done = share_topic.revoke(settings, store, share_id, who=who or _user(), why=why, at_ms=_now_ms())
    _opened(settings, change.share_id).unlink(missing_ok=True)
    if as_json:
        print_json({"revoked": done, **_facts(change, store)})
        return
    out().print(f"{'revoked' if done else 'revoked before'}: {change.title}", markup=False)
    out().print("its address answers no more; what others saved or printed stays with them")


@app.command("history")
def history_command(
    share_id: Annotated[
        str, typer.Argument(metavar="[SHARE_ID]", help="Only this share; 8 digits of it will do.")
    ] = "",
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Changes on a page.")] = 50,
    page: Annotated[int, typer.Option("--page", min=1, max=10_000, help="Which page.")] = 1,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell from the audit who shared and revoked what, when and why, the newest first."""
    from audit.migrate import connect
    from audit.windows import share_history
    from ops.sharing import topic as share_topic

    if share_id:
        share_topic.checked(share_id)
    with connect(running_stack(state, kafka=False).database_url.get_secret_value()) as conn:
        found = share_history(conn, share_id, limit=limit + 1, skip=(page - 1) * limit)
    shown, rest = found[:limit], page + 1 if len(found) > limit else None
    if as_json:
        changes = [
            {"at_ms": o.at_ms, "share_id": o.subject, "change": o.step, "who": o.who, "why": o.why} for o in shown
        ]
        print_json({"changes": changes, "next_page": rest})
        return
    if not shown:
        out().print("the audit knows of nothing that was shared (yet)")
        return
    print_table(
        ("when", "share", "what", "who", "why"),
        [(_shown(o.at_ms), o.subject[:16], o.step, o.who, o.why) for o in shown],
    )
    if rest is not None:
        out().print(f"go on with --page {rest}")


@app.command("get")
def get_command(
    share_id: ShareArgument,
    to: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="Where to write the page.")],
    state: StateOption = None,
) -> None:
    """Write a shared page to a file, its bytes held against its address. Status 1 where it was revoked."""
    writable(to)
    to.write_bytes(_fetched(share_id, state)[1])
    out().print(f"written: {to}", markup=False)


@app.command("open")
def open_command(
    share_id: ShareArgument,
    *,
    browser: Annotated[bool, typer.Option("--browser", help="Show it in the browser of this machine, too.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a shared page, and say where it can be looked at: a file here, and its address in the store.

    Its bytes are held against its address. Status 1 where it was revoked, or
    where --browser finds no browser.
    """
    change, data = _fetched(share_id, state)
    settings = running_stack(state, database=False)
    path = _opened(settings, change.share_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    shown = browser and webbrowser.open(path.as_uri())
    if as_json:
        print_json({**_facts(change, open_store(settings)), "file": str(path), "browser": shown})
    else:
        out().print(f"{change.title}\nfile: {path}", markup=False)
        out().print(f"address: {shares.address_of(open_store(settings), change.share_id)}", markup=False)
    if browser and not shown:
        err().print("presscheck: no browser is here; open the file with one", markup=False)
        raise typer.Exit(EXIT_FINDING)


def _opened(settings: Settings, share_id: str) -> Path:
    """Where `open` leaves a page, and `revoke` removes it."""
    return settings.state_dir.absolute() / "shared" / f"{share_id}.html"


def _fetched(share_id: str, state: Path | None) -> tuple[ShareChanged, bytes]:
    from ops.sharing import topic as share_topic
    from schemas.errors import Poison

    settings = running_stack(state, database=False)
    store = open_store(settings)
    try:
        return share_topic.fetch(settings, store, share_id)
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
