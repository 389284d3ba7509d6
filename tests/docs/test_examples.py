"""Examples in the docs that are marked `<!-- run -->` run as they stand; links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ops.submission import FIELDS, Draft, parse_lines
from schemas.events import FileRole
from workers.engines.layout import parse

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
RUN = re.compile(r"<!-- run -->\n```(sh|python)\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!\w+:)([^)#]+)(?:#[^)]*)?\)")
EXAMPLES = [(p, kind, code) for p in PAGES for kind, code in RUN.findall(p.read_text(encoding="utf-8"))]


def run(kind: str, code: str) -> subprocess.CompletedProcess[str]:
    tools = Path(sys.executable).parent
    command = [sys.executable, "-c", code] if kind == "python" else ["bash", "-euo", "pipefail", "-c", code]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("page", "kind", "code"), EXAMPLES, ids=[f"{p.name}-{n}" for n, (p, _, _) in enumerate(EXAMPLES)]
)
def test_an_example_runs(page: Path, kind: str, code: str):
    done = run(kind, code)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("kind", "code"), [("sh", "false\ntrue"), ("sh", "presscheck nosuchcommand"), ("python", "assert 0")]
)
def test_an_example_that_fails_is_found(kind: str, code: str):
    assert run(kind, code).returncode != 0


def test_there_are_examples_of_both_kinds():
    assert {kind for _, kind, _ in EXAMPLES} == {"sh", "python"}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files(page: Path):
    missing = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert not missing


def test_the_job_and_the_layout_of_the_readme_are_read():
    job, layout = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    fields = json.loads(job)
    (logo,) = fields.pop("files")
    (draft,) = parse_lines([json.dumps(fields)], source="README", folder=ROOT, now_ms=0)
    assert isinstance(draft, Draft), draft
    assert FileRole(logo["role"]) is FileRole.LOGO
    assert len(parse(layout.encode(), "README", phrases=1, logos=1)) == 2


def test_every_field_and_role_of_a_job_is_in_the_readme():
    said = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Jobs")[2]
    assert [name for name in FIELDS if name not in said] == []
    assert [role.value for role in FileRole if f"`{role.value}`" not in said] == []


def test_every_decision_says_its_status_and_cost():
    for page in (ROOT / "docs" / "decisions").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert re.match(r"# \d+\. ", text), page
        assert "**Status:**" in text, page
        assert "**Decision.**" in text, page
