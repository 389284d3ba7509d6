"""Takes the jobs of a batch through sd3's models one by one, so that no job's sums depend on its neighbours.

Matrix products choose their blocks by the number of rows, and so the order in which they add up: a job alone and the
same job in a batch differ in the last bits, and in a pixel value by one here and there. One by one they do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch


def one_by_one(pipe: Any) -> None:
    """Make the transformer and the text encoders of a pipeline work like that. Shapes and results stay as they are."""
    for name in ("transformer", "text_encoder", "text_encoder_2", "text_encoder_3"):
        module = getattr(pipe, name)
        if module is not None:
            module.forward = _each(module.forward)


def _each(forward: Callable[..., Any]) -> Callable[..., Any]:
    def each(*args: Any, **given: Any) -> Any:
        rows = next(t.shape[0] for t in (*args, *given.values()) if isinstance(t, torch.Tensor))
        return _joined([forward(*(_row(a, i) for a in args), **_rows(given, i)) for i in range(rows)])

    return each


def _rows(given: dict[str, Any], i: int) -> dict[str, Any]:
    return {name: _row(value, i) for name, value in given.items()}


def _row(value: Any, i: int) -> Any:
    return value[i : i + 1] if isinstance(value, torch.Tensor) else value


def _joined(parts: list[Any]) -> Any:
    """Tensors, and what holds tensors (tuples, the outputs of transformers), joined along the batch."""
    first = parts[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(parts)
    if isinstance(first, tuple):
        return tuple(_joined(list(column)) for column in zip(*parts, strict=True))
    if hasattr(first, "keys"):
        joined = {name: _joined([part[name] for part in parts]) for name in cast("dict[str, Any]", first)}
        return type(first)(**joined)
    return first
