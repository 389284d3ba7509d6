"""The SQL of this room: files in `sql/` and `migrations/`, typed as literals because nobody composes them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, LiteralString, cast

HERE: Final = Path(__file__).parent
MIGRATIONS: Final = HERE / "migrations"


@cache
def statement(name: LiteralString) -> LiteralString:
    """The text of `sql/<name>.sql`: shipped with the program, so as trusted as a literal in it."""
    return cast("LiteralString", (HERE / "sql" / f"{name}.sql").read_text(encoding="utf-8"))
