"""`python -m ops.settings_docs`: draw `docs/settings.md` from the settings themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from broker.settings import PREFIX, Settings

COMMAND: Final = "python -m ops.settings_docs"
PAGE: Final = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD: Final = f"""# Settings

Drawn by `{COMMAND}` from `broker/settings.py`; edit that.

Every setting is an environment variable, read once when a process starts; nothing else reads the environment.
An unknown `{PREFIX}` variable, or a value that is not one, stops the process with a line that says so. Settings that
the embedded stack chose lie in `endpoints.json` in the state folder; a variable goes before them.

| variable | default | values | what |
|---|---|---|---|
"""


KINDS: Final[tuple[tuple[type[Any], str], ...]] = (
    (bool, "true, false"),
    (int, "a whole number"),
    (float, "a number"),
    (Path, "a path"),
    (SecretStr, "text, kept secret"),
    (str, "text"),
)
BOUNDS: Final = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def page() -> str:
    """The page, in Markdown. Raises TypeError for a setting of a kind that it has no words for."""
    return HEAD + "".join(_row(name, field) for name, field in Settings.model_fields.items())


def _row(name: str, field: FieldInfo) -> str:
    return f"| `{PREFIX}{name.upper()}` | {_default(field.default)} | {_values(field)} | {field.description} |\n"


def _default(value: Any) -> str:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(text, bool):
        return f"`{str(text).lower()}`"
    return "" if text in {None, "", ()} else f"`{text}`"


def _values(field: FieldInfo) -> str:
    hint = field.annotation
    if get_origin(hint) is Literal:
        return ", ".join(f"`{v}`" for v in get_args(hint))
    if get_origin(hint) is tuple:
        return "names, comma-separated"
    hints = {hint, *get_args(hint)}
    for kind, words in KINDS:
        if kind in hints:
            return ", ".join([words, *_bounds(field)])
    raise TypeError(f"there are no words for {hint}")


def _bounds(field: FieldInfo) -> list[str]:
    found = [(words, getattr(m, sign)) for m in field.metadata for sign, words in BOUNDS.items() if hasattr(m, sign)]
    return [f"{words} {bound}" for words, bound in found]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
