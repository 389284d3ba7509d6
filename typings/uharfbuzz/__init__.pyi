from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

class Blob:
    @classmethod
    def from_file_path(cls, filename: str | Path) -> Blob: ...

class Face:
    def __init__(self, blob: Blob | bytes, index: int = 0) -> None: ...
    @property
    def count(self) -> int: ...
    @property
    def glyph_count(self) -> int: ...
    @property
    def upem(self) -> int: ...
    @property
    def unicodes(self) -> set[int]: ...

class GlyphExtents(NamedTuple):
    x_bearing: int
    y_bearing: int
    width: int
    height: int

class Font:
    def __init__(self, face: Face) -> None: ...
    def get_nominal_glyph(self, unicode: int) -> int | None: ...
    def get_glyph_extents(self, gid: int) -> GlyphExtents | None: ...

class GlyphInfo:
    codepoint: int
    cluster: int

class GlyphPosition:
    x_advance: int
    y_advance: int
    x_offset: int
    y_offset: int

class Buffer:
    direction: str
    script: str
    language: str
    def add_str(self, text: str) -> None: ...
    def guess_segment_properties(self) -> None: ...
    @property
    def glyph_infos(self) -> Sequence[GlyphInfo]: ...
    @property
    def glyph_positions(self) -> Sequence[GlyphPosition]: ...

class RasterExtents(NamedTuple):
    x_origin: int
    y_origin: int
    width: int
    height: int
    stride: int

class RasterImage:
    @property
    def buffer(self) -> bytes: ...
    @property
    def extents(self) -> RasterExtents: ...

class RasterDraw:
    extents: RasterExtents
    transform: tuple[float, float, float, float, float, float]
    def draw_glyph(self, font: Font, gid: int) -> None: ...
    def render(self) -> RasterImage | None: ...

class HarfBuzzError(Exception): ...

def shape(font: Font, buffer: Buffer, features: Mapping[str, bool] | None = None) -> None: ...
def version_string() -> str: ...
