"""What a picture's content credentials say: how it was made, by what, from which files, and what was done since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rules.engines import EngineKind
from schemas.events import FileRef, FileRole
from workers.checks.decode import media_type_of
from workers.finish.port import Order

_KIND: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED: Final = f"{_KIND}trainedAlgorithmicMedia"
"""IPTC NewsCodes, digital source type: made by a trained model."""
ALGORITHMIC: Final = f"{_KIND}algorithmicMedia"
"""Likewise: drawn by a program that was trained on nothing."""
COMPOSITE: Final = f"{_KIND}compositeWithTrainedAlgorithmicMedia"
"""Likewise: put together, or edited, with parts of a trained model's making."""
MIXED: Final = f"{_KIND}composite"
"""Likewise: put together from parts of which any may or may not be a model's."""
GENERATOR: Final = "Presscheck"
DRAWN: Final = "drawn"
"""Art that typeset drew itself."""
PARENT: Final = "parentOf"
COMPONENT: Final = "componentOf"
INPUT: Final = "inputTo"
RELATIONS: Final[Mapping[FileRole, str]] = {
    FileRole.LOGO: COMPONENT,
    FileRole.INIT_IMAGE: PARENT,
    FileRole.STYLE_REFERENCE: INPUT,
    FileRole.LAYOUT: INPUT,
    FileRole.MASK: INPUT,
}
"""What a file is to the picture (C2PA 2.2, 9.2.4). A colour mask only steers finishing, and is not named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """A file that went into the picture."""

    key: str
    title: str
    relation: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing done since the picture was made: a C2PA action, in words, and with which model if with one."""

    action: str
    description: str
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """All that the credentials say. Prompts are not in it: they are the client's."""

    title: str
    source_type: str
    agent: Mapping[str, str]
    description: str = ""
    version: str
    steps: Sequence[Step]
    ingredients: Sequence[Ingredient] = field(default_factory=tuple[Ingredient, ...])

    def definition(self) -> dict[str, Any]:
        """The manifest as c2pa takes it."""
        return {
            "claim_generator_info": [{"name": GENERATOR, "version": self.version}],
            "title": self.title,
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": self._actions()}}],
        }

    def _actions(self) -> list[dict[str, Any]]:
        parents, inputs, parts = (self._keys(r) for r in (PARENT, INPUT, COMPONENT))
        made: dict[str, Any] = {
            "action": "c2pa.edited" if parents else "c2pa.created",
            "digitalSourceType": self.source_type,
            "softwareAgent": dict(self.agent),
        }
        if self.description:
            made["description"] = self.description
        if inputs:
            made["parameters"] = {"ingredientIds": inputs}
        # What was opened comes first, and stands in the place of created (C2PA 2.2, 18.14.4).
        actions = [{"action": "c2pa.opened", "parameters": {"ingredientIds": parents}}] if parents else []
        actions.append(made)
        actions += [{"action": "c2pa.placed", "parameters": {"ingredientIds": [key]}} for key in parts]
        for step in self.steps:
            done: dict[str, Any] = {"action": step.action, "description": step.description}
            if step.model:
                done["softwareAgent"] = {"name": step.model}
            actions.append(done)
        return actions

    def _keys(self, relation: str) -> list[str]:
        return [i.key for i in self.ingredients if i.relation == relation]


def claim_of(order: Order, steps: Sequence[Step], version: str) -> Claim:
    """The claim for a picture; `version` is this program's."""
    ingredients = _ingredients(order)
    edited = any(i.relation == PARENT for i in ingredients)
    return Claim(
        title=f"{order.request.job.job_id}, attempt {order.request.attempt}",
        source_type=_source_type(order, edited=edited),
        agent=_agent(order),
        description=_description(order),
        version=version,
        steps=steps,
        ingredients=ingredients,
    )


def _source_type(order: Order, *, edited: bool) -> str:
    if order.backend == EngineKind.SIMULATOR.value:
        return ALGORITHMIC
    if order.backend == EngineKind.TYPESET.value:
        return {DRAWN: ALGORITHMIC, FileRole.INIT_IMAGE.value: MIXED}.get(_art(order), COMPOSITE)
    return COMPOSITE if edited else TRAINED


def _art(order: Order) -> str:
    """What typeset set its text over: drawn, init_image, or the id of the engine that painted it."""
    return order.rendered.facts.get("art", DRAWN)


def _agent(order: Order) -> Mapping[str, str]:
    """What made it. A simulator that stands in signs as itself, never as the model whose place it takes."""
    profile = order.profile
    if order.backend in {EngineKind.SIMULATOR.value, EngineKind.TYPESET.value}:
        return {"name": f"{GENERATOR} {order.backend}", "version": order.model_digest}
    if profile.hosted is not None and order.backend == profile.hosted.api.value:
        return {"name": profile.hosted.model, "version": order.model_digest}
    return {"name": profile.model, "version": profile.revision or order.model_digest}


def _description(order: Order) -> str:
    if order.backend != EngineKind.TYPESET.value:
        return ""
    art = _art(order)
    if art == DRAWN:
        return "text set over drawn art"
    if art == FileRole.INIT_IMAGE.value:
        return "text set over the client's own picture"
    return f"text set over art by {art}, {order.rendered.facts.get('art_model_digest', 'of an unknown digest')}"


def _ingredients(order: Order) -> tuple[Ingredient, ...]:
    """The files, and the asset that was mended. There is one parent at most: what was mended goes first."""
    found: list[Ingredient] = []
    edit = order.request.edit
    if edit is not None and edit.source_sha256 in order.files:
        data = order.files[edit.source_sha256]
        found.append(_ingredient("source", "the attempt before", PARENT, data, "application/octet-stream"))
    for n, file in enumerate(order.request.job.files):
        relation = RELATIONS.get(file.role)
        if relation is None or file.sha256 not in order.files:
            continue
        if relation == PARENT and any(i.relation == PARENT for i in found):
            relation = INPUT
        found.append(_ingredient(f"file-{n}", _title(file), relation, order.files[file.sha256], file.media_type))
    return tuple(found)


def _title(file: FileRef) -> str:
    return f"{file.name} ({file.role.value.replace('_', ' ')})"


def _ingredient(key: str, title: str, relation: str, data: bytes, declared: str) -> Ingredient:
    media_type = media_type_of(data) or declared
    return Ingredient(key=key, title=title, relation=relation, media_type=media_type, data=data)
