"""Reads engines.yml: a profile for each engine, refused where it allows what does not suit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from rules.engines import (
    DISTILLED_ONLY,
    ENCODERS,
    FINISHING_ROLES,
    SCHEDULERS,
    UNSUITED,
    EngineKind,
    EngineProfile,
    Loading,
    Offload,
    Quantise,
    SamplingPreset,
    TextSkill,
)
from rules.hosting import parse_hosted
from rules.tree import Node, Scalar, nearest
from schemas.events import FileRole, Preset

REQUIRED: Final = (
    "kind",
    "model",
    "licence",
    "schedulers",
    "steps",
    "guidance",
    "standard",
    "safe",
    "max_batch",
    "size_multiple",
    "text",
    "negative_prompt",
    "file_roles",
    "price_per_image_usd",
    "price_per_second_usd",
    "expected_s",
    "timeout_s",
)
OWNERS: Final[Mapping[str, tuple[EngineKind, ...]]] = {
    "revision": (EngineKind.SD3,),
    "precision": (EngineKind.SD3,),
    "loading": (EngineKind.SD3,),
    "prompt_limits": (EngineKind.SD3,),
    "edits": (EngineKind.SD3,),
    "hosted": (EngineKind.SD3, EngineKind.HTTP),
    "art": (EngineKind.TYPESET,),
}
"""Keys that only some kinds of engine read: on another kind they would promise what nobody does."""
NEEDED: Final[Mapping[EngineKind, tuple[str, ...]]] = {
    EngineKind.SD3: ("precision", "prompt_limits"),
    EngineKind.HTTP: ("hosted",),
}
OPTIONAL: Final = ("distilled", "text_max_chars", *OWNERS)
REVISION: Final = re.compile(r"[0-9a-f]{40}")


def parse_engines(root: Node) -> Mapping[str, EngineProfile]:
    """engines.yml: a profile for each engine id. Raises BadConfig."""
    table = root.fields(["engines"])["engines"].table()
    if not table:
        raise root.bad("names no engine", "add a profile")
    engines = {name: _profile(name, table[name]) for name in sorted(table)}
    painters = [e.id for e in engines.values() if e.kind is not EngineKind.TYPESET]
    for profile in engines.values():
        if profile.art is not None:
            table[profile.id].table()["art"].choice(painters, "engine that paints")
    return engines


def _profile(name: str, node: Node) -> EngineProfile:
    f = node.fields(REQUIRED, OPTIONAL)
    kind = EngineKind(f["kind"].choice(list(EngineKind), "engine kind"))
    _check_keys(kind, node, f)
    distilled = f["distilled"].flag() if "distilled" in f else False
    schedulers = {s: _scheduler(s, n, distilled=distilled) for s, n in sorted(f["schedulers"].table().items())}
    if not schedulers:
        raise f["schedulers"].bad("allows no scheduler", "name one, or none: {} for an engine that does not sample")
    steps = _range(f["steps"])
    roles = tuple(FileRole(r) for r in f["file_roles"].choices([*_roles()], "file role of an engine"))
    profile = EngineProfile(
        id=name,
        kind=kind,
        model=f["model"].text(),
        revision=_revision(f["revision"]) if "revision" in f else "",
        licence=f["licence"].text(),
        distilled=distilled,
        precision=f["precision"].choice(["bf16", "fp16", "fp32"], "precision") if "precision" in f else "none",
        loading=_loading(f["loading"]) if "loading" in f else Loading(),
        hosted=parse_hosted(f["hosted"], roles) if "hosted" in f else None,
        prompt_limits=_limits(f["prompt_limits"]) if "prompt_limits" in f else {},
        edits=f["edits"].flag() if "edits" in f else False,
        art=f["art"].text() if "art" in f else None,
        schedulers=schedulers,
        steps=(int(steps[0]), int(steps[1])),
        guidance=_range(f["guidance"]),
        standard=_preset(f["standard"]),
        safe=_preset(f["safe"]),
        batches=_batches(f["max_batch"]),
        size_multiple=f["size_multiple"].integer(1, 64),
        text=TextSkill(f["text"].choice(list(TextSkill), "text skill")),
        text_max_chars=f["text_max_chars"].integer(1, 500) if "text_max_chars" in f else 500,
        negative_prompt=f["negative_prompt"].flag(),
        file_roles=roles,
        price_per_image_usd=f["price_per_image_usd"].number(0, 100),
        price_per_second_usd=f["price_per_second_usd"].number(0, 100),
        expected_s=f["expected_s"].number(0, 3600),
        timeout_s=f["timeout_s"].number(0.1, 3600),
    )
    for key in ("standard", "safe"):
        if refusal := profile.refuses_sampling(profile.preset(Preset(key))):
            raise f[key].bad(refusal, "change the preset or what the profile allows")
    if kind is EngineKind.SD3 and profile.hosted is None and not profile.revision:
        raise node.bad("pins no revision of its weights", "add revision: the commit of the model's repository")
    return profile


def _check_keys(kind: EngineKind, node: Node, f: Mapping[str, Node]) -> None:
    for key, kinds in OWNERS.items():
        if key in f and kind not in kinds:
            raise f[key].bad(f"an engine of kind {kind.value} has no {key}", "remove it")
    if missing := [k for k in NEEDED.get(kind, ()) if k not in f]:
        raise node.bad(f"of kind {kind.value} lacks {', '.join(missing)}", "add it")


def _roles() -> tuple[FileRole, ...]:
    return tuple(r for r in FileRole if r not in FINISHING_ROLES)


def _revision(node: Node) -> str:
    if not REVISION.fullmatch(node.text()):
        raise node.bad(f"{node.text()!r} is no commit", "give all 40 hexadecimal digits: a branch may move")
    return node.text()


def _loading(node: Node) -> Loading:
    f = node.fields([], ["offload", "quantise", "compile", "exact"])
    return Loading(
        offload=Offload(f["offload"].choice(list(Offload), "offload")) if "offload" in f else Offload.NONE,
        quantise=Quantise(f["quantise"].choice(list(Quantise), "quantisation")) if "quantise" in f else Quantise.NONE,
        compile=f["compile"].flag() if "compile" in f else False,
        exact=f["exact"].flag() if "exact" in f else False,
    )


def _limits(node: Node) -> Mapping[str, int]:
    f = node.fields([*ENCODERS])
    return {name: f[name].integer(1, most) for name, most in ENCODERS.items()}


def _scheduler(name: str, node: Node, *, distilled: bool) -> Mapping[str, Scalar]:
    if name in UNSUITED:
        raise node.bad(f"{name} is not allowed: {UNSUITED[name]}", f"use {DISTILLED_ONLY}")
    if name not in SCHEDULERS:
        raise node.bad(f"there is no scheduler {name!r} that suits", nearest(name, SCHEDULERS))
    if distilled and name != DISTILLED_ONLY:
        raise node.bad(f"a distilled model was trained for {DISTILLED_ONLY} only", f"remove {name}")
    config = {k: n.scalar() for k, n in sorted(node.table().items())}
    if config.get("stochastic_sampling"):
        raise node.bad("stochastic_sampling draws without the job's generator", "remove it")
    for key, value in SCHEDULERS[name].items():
        if config.get(key) != value:
            raise node.bad(f"{name} on a flow model needs {key}: {value}", f"add {key}: {str(value).lower()}")
    return config


def _range(node: Node) -> tuple[float, float]:
    items = node.items()
    if len(items) != 2:
        raise node.bad("want [lowest, highest]")
    low, high = (n.number(0, 1000) for n in items)
    if low > high:
        raise node.bad(f"the lowest, {low:g}, is above the highest, {high:g}", "swap them")
    return low, high


def _preset(node: Node) -> SamplingPreset:
    f = node.fields(["scheduler", "steps", "guidance"])
    return SamplingPreset(
        scheduler=f["scheduler"].text(), steps=f["steps"].integer(1, 100), guidance=f["guidance"].number(0, 30)
    )


def _batches(node: Node) -> tuple[tuple[int, int], ...]:
    out: list[tuple[int, int]] = []
    for item in node.items():
        f = item.fields(["pixels", "batch"])
        row = (f["pixels"].integer(64 * 64, 8192 * 8192), f["batch"].integer(1, 1000))
        if out and (row[0] <= out[-1][0] or row[1] > out[-1][1]):
            raise item.bad("batches go from small images to large ones, and never grow", "sort them by pixels")
        out.append(row)
    if not out:
        raise node.bad("is empty", "add {pixels: …, batch: …}")
    return tuple(out)
