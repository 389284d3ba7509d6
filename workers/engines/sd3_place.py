"""Where the weights of an sd3 pipeline lie: on the accelerator while it works, in CPU memory while it is parked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch

from rules.engines import Offload
from schemas.errors import Transient


class Place:
    """Moves one pipeline. It starts parked. `device` is torch's name of the accelerator, or cpu.

    With the CPU as the accelerator nothing is moved, and weights count as resident while it is not parked.
    """

    def __init__(self, pipe: Any, device: str, offload: Offload) -> None:
        self._pipe, self._device, self._offload = pipe, torch.device(device), offload
        self._awake = self._hooked = False

    @property
    def resident_bytes(self) -> int:
        """Weights on the accelerator now. With offload, those that the last call left there."""
        if not self._awake:
            return 0
        tensors = (t for module in self._modules() for t in (*module.parameters(), *module.buffers()))
        return sum(_bytes(t) for t in tensors if t.device.type == self._device.type)

    def wake(self) -> None:
        """Bring the weights to the accelerator. Raises Transient where they do not fit beside what is there."""
        if self._awake:
            return
        try:
            if self._offload is Offload.NONE:
                self._pipe.to(self._device)
            elif self._offload is Offload.MODEL and not self._hooked:
                self._pipe.enable_model_cpu_offload(device=self._device)
            elif self._offload is Offload.SEQUENTIAL:
                if not self._hooked:
                    # The VAE is small, and its fp32 retry needs weights that lie in one place.
                    self._pipe._exclude_from_cpu_offload.append("vae")  # noqa: SLF001 - diffusers' way to say so
                    self._pipe.enable_sequential_cpu_offload(device=self._device)
                self._pipe.vae.to(self._device)
        except torch.OutOfMemoryError as e:
            why = str(e)[:500]
        else:
            self._awake = self._hooked = True
            return
        self._leave()
        raise Transient(f"the weights do not fit on {self._device} now: {why}")

    def park(self) -> None:
        """Give the accelerator's memory back."""
        if self._awake:
            self._leave()
            self._awake = False

    def rest(self) -> None:
        """After a call, however it ended: what is offloaded leaves the accelerator."""
        if self._offload is not Offload.NONE:
            self._pipe.maybe_free_model_hooks()

    def _leave(self) -> None:
        if self._offload is Offload.NONE:
            self._pipe.to("cpu")
        elif self._offload is Offload.MODEL:
            self._pipe.maybe_free_model_hooks()
        else:
            self._pipe.vae.to("cpu")
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _modules(self) -> Iterator[torch.nn.Module]:
        return (c for c in self._pipe.components.values() if isinstance(c, torch.nn.Module))


def _bytes(tensor: torch.Tensor) -> int:
    """Memory of a tensor; a quantised one consists of several inside."""
    if hasattr(tensor, "__tensor_flatten__"):
        names = cast("list[str]", cast(Any, tensor).__tensor_flatten__()[0])
        return sum(_bytes(getattr(tensor, name)) for name in names)
    return tensor.numel() * tensor.element_size()
