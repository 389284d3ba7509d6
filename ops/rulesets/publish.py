"""Publishes rulesets and says which one decides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.admin import admin_client, ensure_topics, partitions
from broker.settings import Settings
from ops.rulesets.topic import Published, Record, activation_records, change_topic, parsed, read_topic
from rules.ruleset import Ruleset, load_ruleset
from schemas import ids
from schemas.catalogue import render_topic
from schemas.errors import BadConfig
from schemas.events import Lane, RulesetActivated, RulesetPublished

STAGE: Final = "ops"
SUFFIXES: Final = frozenset({".yml", ".yaml"})
MAX_FILE_BYTES: Final = 1_000_000
PACKAGED: Final = Path(__file__).parents[1] / "default_config"
"""The project's `config/` in an installed wheel; in a checkout there is no such folder."""
IN_CHECKOUT: Final = Path(__file__).parents[2] / "config"
LAST_OF_CONFIG: Final = "ruleset-of-config"
"""In the state folder: id of the ruleset that `config/` held when the stack was last started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a change did: the ruleset it was about, the one that was active before, and whether it was published."""

    ruleset_id: str
    former_id: str | None
    was_known: bool


def config_folder(config_dir: Path) -> Path:
    """The folder given; or the one that the wheel or the checkout brings, where none was chosen and none is here."""
    chosen = config_dir.is_dir() or config_dir != Settings.model_fields["config_dir"].default
    brought = PACKAGED if PACKAGED.is_dir() else IN_CHECKOUT
    return config_dir if chosen else brought


def read_config(config_dir: Path) -> Ruleset:
    """The ruleset that the files of a folder make. Raises BadConfig naming file and line."""
    config_dir = config_folder(config_dir)
    if not config_dir.is_dir():
        raise BadConfig(f"there is no folder {config_dir}", mend="run from the project, or set PRESSCHECK_CONFIG_DIR")
    files: dict[str, str] = {}
    for path in sorted(p for p in config_dir.rglob("*") if p.suffix in SUFFIXES and p.is_file()):
        name = path.relative_to(config_dir).as_posix()
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadConfig(f"larger than {MAX_FILE_BYTES} bytes", file=name)
        files[name] = path.read_text(encoding="utf-8")
    return load_ruleset(files)


def active_id(settings: Settings) -> str | None:
    """Id of the ruleset that decides now; None where none was ever active. Raises Transient."""
    return read_topic(settings).active_id


def publish(settings: Settings, ruleset: Ruleset, *, who: str, at_ms: int, activate: bool) -> Changed:
    """Write a ruleset to topic `rulesets`, and where asked make it the one that decides, in one transaction.

    The topics of its engines are there before the first stage may want them. Raises Transient or Fatal where the
    broker does not take it.
    """
    _make_topics(settings, ruleset)
    published = RulesetPublished(
        event_id=ids.event_id(ruleset.id, STAGE, f"published {at_ms}"),
        at_ms=at_ms,
        ruleset_id=ruleset.id,
        document=ruleset.document,
        who=who,
    )

    def records(now: Published) -> list[Record]:
        known = ruleset.id in now.rulesets and now.rulesets[ruleset.id].document == ruleset.document
        active = activate and now.active_id != ruleset.id
        return [
            *([] if known else [(ruleset.id, published)]),
            *(activation_records(now, activated_after(now, ruleset.id, who, at_ms)) if active else []),
        ]

    now = change_topic(settings, records)
    return Changed(ruleset_id=ruleset.id, former_id=now.active_id, was_known=ruleset.id in now.rulesets)


def activate(settings: Settings, ruleset_id: str, *, who: str, at_ms: int) -> Changed:
    """Make a published ruleset (its whole id) the one that decides; nothing is written where it does already.

    Raises BadConfig where it was never published or cannot be used, Transient or Fatal as publish does.
    """

    def records(now: Published) -> list[Record]:
        _make_topics(settings, parsed(now.find(ruleset_id)))
        if now.active_id == ruleset_id:
            return []
        return activation_records(now, activated_after(now, ruleset_id, who, at_ms))

    now = change_topic(settings, records)
    return Changed(ruleset_id=ruleset_id, former_id=now.active_id, was_known=True)


def roll_back(settings: Settings, *, who: str, at_ms: int) -> Changed:
    """Make the ruleset decide that decided before. Raises BadConfig where there was none, else as activate does."""
    chosen: list[str] = []

    def records(now: Published) -> list[Record]:
        former = now.former()
        if former is None:
            raise BadConfig("no other ruleset was active before", mend="name one: presscheck rules activate ID")
        parsed(now.find(former))
        chosen.append(former)
        return activation_records(now, activated_after(now, former, who, at_ms))

    now = change_topic(settings, records)
    return Changed(ruleset_id=chosen[0], former_id=now.active_id, was_known=True)


def resolve(settings: Settings, name: str) -> Ruleset:
    """The ruleset that a person means: `active`, the beginning of a published id, or a folder of files.

    Raises BadConfig naming the nearest right name, or file and line.
    """
    folder = Path(name)
    if folder.is_dir() or "/" in name or "\\" in name:
        if not folder.is_dir():
            raise BadConfig(f"there is no folder {name}", mend="give a folder with pipeline.yml, or an id")
        return read_config(folder)
    return parsed(read_topic(settings).find(name))


def activated_after(now: Published, ruleset_id: str, who: str, at_ms: int) -> RulesetActivated:
    """The event that makes a ruleset decide after what decides now."""
    before = "" if now.active is None else now.active.event_id
    event_id = ids.event_id(ruleset_id, STAGE, f"activated {at_ms} after {before}")
    return RulesetActivated(event_id=event_id, at_ms=at_ms, ruleset_id=ruleset_id, who=who)


def _make_topics(settings: Settings, ruleset: Ruleset) -> None:
    wanted = {render_topic(engine, lane) for engine in ruleset.engines for lane in Lane}
    if not wanted <= partitions(admin_client(settings)).keys():
        ensure_topics(settings, ruleset.engines)


def bring_into_force(settings: Settings, ruleset: Ruleset, *, who: str, at_ms: int) -> bool:
    """Publish and activate what `config/` holds where that changed since the last start; True where it did.

    An operator may have activated another one since, by a roll-out say: that choice stands until `config/` changes.
    """
    marker = settings.state_dir / LAST_OF_CONFIG
    last = marker.read_text(encoding="utf-8") if marker.exists() else None
    active = active_id(settings)
    needed = active is None or ruleset.id not in {last, active}
    if needed:
        publish(settings, ruleset, who=who, at_ms=at_ms, activate=True)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    marker.write_text(ruleset.id, encoding="utf-8")
    return needed
