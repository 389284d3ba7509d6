"""EasyOCR on torch, in a process of its own: `python -m workers.checks.easyocr_process SOCKET THREADS`.

Of its own because torch and EasyOCR alone make 740 MiB of a process resident. It answers each picture that comes
through the socket, a file descriptor, with what it read, and ends when the other end is closed, however that came.
"""

from __future__ import annotations

import signal
import sys
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any, Final, cast

import numpy as np

from workers.checks.cores import share_cores
from workers.checks.port import Pixels

Found = tuple[tuple[float, ...], str, float]
"""A box of four corners as x, y, x, y, …, its text, and how sure it is, 0 to 1."""
READY: Final = "ready"
"""Sent once the weights are loaded."""
DRAWN: Final = frozenset(
    {"normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_"}
)
"""What torch fills new parameters with at random."""


def main(socket: int, threads: int) -> None:
    """Loads the weights, says so, and reads until nobody asks any more."""
    # Ctrl-C goes to every process of a terminal; this one is ended by the one that started it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Connection(socket) as asks:
        try:
            reader = _open(threads)
            asks.send(READY)
            while True:
                asks.send(_read(reader, asks.recv()))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


def _read(reader: Any, pixels: Pixels) -> list[Found]:
    found = cast("list[Any]", reader.readtext(np.ascontiguousarray(pixels[:, :, ::-1]), workers=0))
    return [(tuple(float(v) for v in np.asarray(box).ravel()), str(text), float(score)) for box, text, score in found]


def _open(threads: int) -> Any:
    import easyocr
    import easyocr_en_models
    import torch

    torch.set_num_threads(share_cores(threads))
    with _as_allocated():
        reader = cast("Any", easyocr).Reader(
            ["en"],
            gpu=False,
            model_storage_directory=easyocr_en_models.model_dir(),
            download_enabled=False,
            verbose=False,
            # Its quantisation goes through an interface that torch has given up.
            quantize=False,
        )
    _fold(reader.detector)
    # The order in which the convolutions work anyway: nothing is turned round between them.
    reader.detector = reader.detector.to(memory_format=torch.channels_last)
    return reader


def _fold(net: Any) -> None:
    """Multiplies each normalisation into the weights of the convolution before it: the same sums but for the last bits.

    With the order of channels, a picture of 640 x 640 takes the detector 2.2 s in place of 3.7, and 320 MB in place of
    480 beside its weights.
    """
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for layers in [m for m in net.modules() if isinstance(m, nn.Sequential)]:
        for (name, layer), (after, normal) in pairwise(list(layers.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(normal, nn.BatchNorm2d):
                setattr(layers, name, fuse_conv_bn_eval(layer, normal))
                setattr(layers, after, nn.Identity())


def _as_allocated() -> Any:
    """A context in which torch leaves new parameters as they are allocated, for the weights of files replace them.

    Building the detector also builds the classifier of a VGG-16, which nothing uses: drawing random numbers for its 119
    million parameters makes 480 MB resident for a moment. Memory that nobody writes to costs none.
    """
    from torch.overrides import TorchFunctionMode

    class AsAllocated(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(func, "__name__", "") in DRAWN:
                return args[0] if args else kwargs["tensor"]
            return func(*args, **(kwargs or {}))

    return AsAllocated()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
