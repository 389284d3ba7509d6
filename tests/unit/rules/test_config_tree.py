"""Configuration with places: every refusal names file, line and mend."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rules.tree import MAX_DEPTH, Node, nearest, read_plain, read_yaml
from schemas.errors import BadConfig


def tree(text: str) -> Node:
    return read_yaml("x.yml", text)


def test_nodes_know_their_line_and_path():
    root = tree("a:\n  b:\n    - 1\n    - two\nc: true\n")
    inner = root.table()["a"].table()["b"].items()[1]
    assert (inner.file, inner.line, inner.path, inner.text()) == ("x.yml", 4, "a.b[1]", "two")
    assert root.plain() == {"a": {"b": [1, "two"]}, "c": True}
    assert root.table()["c"].flag() is True


def test_a_tree_from_json_is_the_same_but_for_its_lines():
    text = "a: [1, 2.5, null, {b: x}]\n"
    plain = read_plain("x.yml", tree(text).plain())
    assert plain.plain() == tree(text).plain()
    assert plain.table()["a"].items()[3].table()["b"].path == "a[3].b"
    assert plain.line is None


@pytest.mark.parametrize(
    ("text", "line", "needle"),
    [
        ("", None, "is empty"),
        ("a: [1\n", 2, "is not YAML"),
        ("a: \x00", None, "is not YAML"),
        ("a: 1\nb: 2\na: 3\n", 3, "'a' stands twice, first in line 1"),
        ("a: &x 1\nb: *x\n", 2, "alias"),
        ("1: a\n", 1, "is not text"),
        ("[1]: a\n", 1, "is not text"),
        ("a:\n  - no\n", 2, "truth value"),
        ("a: 2024-10-05\n", 1, "type of its own"),
        ("a: .nan\n", 1, "no plain number"),
        ("a: 1:30\n", 1, "no plain number"),
        ("a: " + "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), 1, "deep"),
    ],
)
def test_bad_yaml_is_refused_with_its_line(text: str, line: int | None, needle: str):
    with pytest.raises(BadConfig, match=needle) as caught:
        tree(text)
    assert (caught.value.file, caught.value.line) == ("x.yml", line)


ASKS: list[tuple[str, Callable[[Node], object], str]] = [
    ("a: 1", lambda n: n.table()["a"].table(), "want a mapping, found 1"),
    ("a: {}", lambda n: n.table()["a"].items(), "want a list, found a mapping"),
    ("a: []", lambda n: n.table()["a"].text(), "want text, found a list"),
    ("a: 1", lambda n: n.table()["a"].text(), "put it in quotes"),
    ("a: ' '", lambda n: n.table()["a"].text(), "is empty"),
    ("a: [x, x]", lambda n: n.table()["a"].texts(), "'x' stands here twice"),
    ("a: colur", lambda n: n.table()["a"].choice(["colour", "size"], "check"), "did you mean 'colour'"),
    ("a: [zzz]", lambda n: n.table()["a"].choices(["colour", "size"], "check"), "known are colour, size"),
    ("a: true", lambda n: n.table()["a"].number(0, 1), "want a number, found true"),
    ("a: x", lambda n: n.table()["a"].number(0, 1), 'want a number, found "x"'),
    ("a: 2", lambda n: n.table()["a"].number(0, 1), "is 2, want 0 to 1"),
    ("a: 1.5", lambda n: n.table()["a"].integer(0, 9), "want a whole number"),
    ("a: true", lambda n: n.table()["a"].integer(0, 9), "want a whole number"),
    ("a: 10", lambda n: n.table()["a"].integer(0, 9), "is 10, want 0 to 9"),
    ("a: 1", lambda n: n.table()["a"].flag(), "want true or false"),
    ("a: {}", lambda n: n.table()["a"].scalar(), "want a single value"),
    ("a:", lambda n: n.table()["a"].text(), "found nothing"),
    ("a: 1\nbb: 2", lambda n: n.fields(["a"], ["b"]), "2: bb: unknown key 'bb'; did you mean 'b'"),
    ("a: 1", lambda n: n.fields(["a", "b"]), "lacks b; add it"),
    ("a: 1", lambda n: n.fields(["a", "b", "c"]), "lacks b, c; add them"),
]


@pytest.mark.parametrize(("text", "ask", "needle"), ASKS)
def test_wrong_types_and_names(text: str, ask: Callable[[Node], object], needle: str):
    with pytest.raises(BadConfig) as caught:
        ask(tree(text))
    assert needle in str(caught.value)
    assert str(caught.value).startswith("x.yml:")


def test_right_values_come_out():
    root = tree("a: 1\nb: 2.5\nc: x\nd: [x, y]\ne: null\n")
    t = root.fields(["a", "b", "c", "d"], ["e"])
    assert (t["a"].integer(0, 2), t["b"].number(0, 3), t["c"].scalar(), t["d"].choices(["x", "y", "z"], "w")) == (
        1,
        2.5,
        "x",
        ("x", "y"),
    )
    assert t["e"].scalar() is None


def test_nearest():
    assert nearest("x", []) == "none are known"
    assert nearest("IDEOGRAM", ["ideogram-v1"]) == "did you mean 'ideogram-v1'?"
