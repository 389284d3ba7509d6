"""Publishes rulesets and says which one decides."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException

from broker import clients
from broker.broadcast import ACTIVE_KEY, follow_rulesets
from broker.settings import Settings
from rules.ruleset import Ruleset, load_ruleset
from schemas import catalogue, ids
from schemas.errors import BadConfig
from schemas.events import Event, RulesetActivated, RulesetPublished
from schemas.registry import codec_for

STAGE: Final = "ops"
READ_S: Final = 30.0
WRITE_S: Final = 30.0
SUFFIXES: Final = frozenset({".yml", ".yaml"})
MAX_FILE_BYTES: Final = 1_000_000
PACKAGED: Final = Path(__file__).parent / "default_config"
"""The project's `config/` in an installed wheel; in a checkout there is no such folder."""
IN_CHECKOUT: Final = Path(__file__).parent.parent / "config"
LAST_OF_CONFIG: Final = "ruleset-of-config"
"""In the state folder: id of the ruleset that `config/` held when the stack was last started."""


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
    with follow_rulesets(settings) as followed:
        followed.wait_ready(READ_S)
        event = followed.snapshot().get(ACTIVE_KEY)
    return event.ruleset_id if isinstance(event, RulesetActivated) else None


def publish(settings: Settings, ruleset: Ruleset, *, who: str, at_ms: int, activate: bool) -> None:
    """Write a ruleset to topic `rulesets`, and where asked make it the one that decides, in one transaction.

    Raises Transient or Fatal where the broker does not take it.
    """
    published = RulesetPublished(
        event_id=ids.event_id(ruleset.id, STAGE, f"published {at_ms}"),
        at_ms=at_ms,
        ruleset_id=ruleset.id,
        document=ruleset.document,
        who=who,
    )
    records: list[tuple[str, Event]] = [(ruleset.id, published)]
    if activate:
        activated = RulesetActivated(
            event_id=ids.event_id(ruleset.id, STAGE, f"activated {at_ms}"), at_ms=at_ms, ruleset_id=ruleset.id, who=who
        )
        records.append((ACTIVE_KEY, activated))
    codec = codec_for(settings.schema_registry_url)
    producer = clients.producer(settings, transactional_id="ops-rulesets")
    try:
        producer.init_transactions(WRITE_S)
        producer.begin_transaction()
        for key, event in records:
            producer.produce(catalogue.RULESETS, key=key.encode(), value=codec.encode(event))
        producer.commit_transaction(WRITE_S)
    except KafkaException as e:
        raise clients.classed(e, "publish a ruleset") from e


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
