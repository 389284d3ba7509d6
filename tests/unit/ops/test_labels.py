"""Lines of labels: what each must hold, and what is said of one that does not."""

from __future__ import annotations

import pytest

from audit.labels import KnownAsset
from ops.labels.given import Said, label, parse_lines
from ops.submission import Fault
from schemas.errors import BadConfig
from schemas.events import AssetLabelled, LabelSource

ASSET = KnownAsset(job_id="5e0b9e2a-4f0e-5a43-9d6c-0f4b1a2c3d4e", asset_sha256="a" * 64, audit=True, at_ms=1)


def one(line: str) -> Said | Fault:
    (found,) = parse_lines([line], "f")
    return found


def test_lines_are_labels_and_empty_ones_are_passed_over():
    whole = '{"target": "a", "defects": ["x"], "source": "audit", "who": "Ada", "why": "so"}'
    lines = [whole, "", '{"target": "b", "defects": []}']
    assert list(parse_lines(lines, "f")) == [
        Said(place="f:1", target="a", defects=("x",), source=LabelSource.AUDIT, who="Ada", why="so"),
        Said(place="f:3", target="b", defects=()),
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"targt": "a"}', "did you mean 'target'?"),
        ('{"target": "a"}', "lacks target or defects"),
        ('{"target": "a", "defects": "x"}', "lacks target or defects"),
        ('{"target": "a", "defects": [1]}', "list of strings"),
        ('{"target": "a", "defects": [], "why": 1}', "list of strings"),
        ('{"target": "a", "defects": [], "source": "audits"}', "did you mean 'audit'?"),
        (" " * 3 + '"' + "x" * 20_000 + '"', "is longer than"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(line: str, told: str):
    found = one(line)
    assert isinstance(found, Fault)
    assert told in found.message


def test_a_label_of_a_drawn_asset_is_an_audits_unless_it_says_otherwise():
    said = Said(place="", target="", defects=("wrong-text", "other", "other"))
    made = label(said, ASSET, modes=("wrong-text",), who="Bo", at_ms=5)
    assert isinstance(made, AssetLabelled)
    assert (made.source, made.who, made.defects) == (LabelSource.AUDIT, "Bo", ("wrong-text", "other"))
    own = Said(place="", target="", defects=(), source=LabelSource.REVIEWER, who="Ada")
    kept = label(own, ASSET, modes=(), who="Bo", at_ms=5)
    assert isinstance(kept, AssetLabelled)
    assert (kept.source, kept.who) == (LabelSource.REVIEWER, "Ada")
    with pytest.raises(BadConfig, match="did you mean 'wrong-text'"):
        label(Said(place="", target="", defects=("wrong-txt",)), ASSET, modes=("wrong-text",), who="Bo", at_ms=5)
    with pytest.raises(BadConfig, match=r"AssetLabelled\.who"):
        label(Said(place="", target="", defects=()), ASSET, modes=(), who="", at_ms=5)
