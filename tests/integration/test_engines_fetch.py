"""`presscheck engines fetch` and `list` as a user runs them, against a hub that speaks the contract and has faults."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rules.ruleset import load_ruleset
from tests.hub_server import Hub, serve
from tests.waiting import until

ROOT = Path(__file__).parents[2]
ENGINE = "sd3.5-medium"
PROFILE = load_ruleset(
    {p.relative_to(ROOT / "config").as_posix(): p.read_text(encoding="utf-8") for p in (ROOT / "config").rglob("*.yml")}
).engines[ENGINE]
BIG = "transformer/diffusion_pytorch_model.safetensors"
COLUMNS = 80
CHUNK = 10 * 1024 * 1024
"""What huggingface_hub's client writes at once."""


def safetensors(numbers: int, dtype: str = "F16", size: int = 2) -> bytes:
    length = numbers * size
    header = json.dumps({"w": {"dtype": dtype, "shape": [numbers], "data_offsets": [0, length]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(i % 251 for i in range(997)) * (length // 997 + 1)


def pipeline() -> dict[str, bytes]:
    """A repository laid out as that of a real SD3 model, most of which nobody needs."""
    index = {
        "_class_name": "StableDiffusion3Pipeline",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder_3": ["transformers", "T5EncoderModel"],
        "tokenizer_3": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "SD3Transformer2DModel"],
        "image_encoder": [None, None],
    }
    return {
        "model_index.json": json.dumps(index).encode(),
        "LICENSE.md": b"terms",
        "README.md": b"a card",
        "sd3.5_medium.safetensors": safetensors(4000),
        "text_encoders/t5xxl_fp8.safetensors": safetensors(4000),
        "scheduler/scheduler_config.json": b"{}",
        "text_encoder_3/config.json": b"{}",
        "text_encoder_3/model.safetensors.index.json": b"{}",
        "text_encoder_3/model.safetensors.index.fp16.json": b"{}",
        "text_encoder_3/model-00001-of-00002.safetensors": safetensors(3000),
        "text_encoder_3/model-00002-of-00002.safetensors": safetensors(2000),
        "text_encoder_3/model.fp16-00001-of-00002.safetensors": safetensors(1500),
        "tokenizer_3/spiece.model": b"pieces",
        "tokenizer_3/tokenizer.json": b"{}",
        "transformer/config.json": b"{}",
        BIG: safetensors(5000),
    }


NEEDED = {
    "LICENSE.md",
    "model_index.json",
    "presscheck-weights.json",
    "scheduler/scheduler_config.json",
    "text_encoder_3/config.json",
    "text_encoder_3/model-00001-of-00002.safetensors",
    "text_encoder_3/model-00002-of-00002.safetensors",
    "text_encoder_3/model.safetensors.index.json",
    "tokenizer_3/spiece.model",
    "tokenizer_3/tokenizer.json",
    "transformer/config.json",
    BIG,
}


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


@dataclass(frozen=True)
class User:
    """Somebody with a folder for models, and the hub's address; `token` is what they set, if anything."""

    hub: Hub
    models: Path
    token: str = ""

    @property
    def folder(self) -> Path:
        return self.models / PROFILE.model

    def environ(self) -> dict[str, str]:
        token = {"PRESSCHECK_HF_TOKEN": self.token} if self.token else {}
        # A token that other programs use is not ours to send.
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith(("HF_", "PRESSCHECK_"))},
            "HF_TOKEN": "hf_of_another_program",
            "PRESSCHECK_DEVICE": "cpu",  # nobody has to wait for torch
            "PRESSCHECK_MODELS_DIR": str(self.models),
            "PRESSCHECK_HF_ENDPOINT": self.hub.url,
            **token,
        }

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "ops", "engines", *args],
            cwd=ROOT,
            env=self.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def runs(self, *args: str) -> Ran:
        process = self.start(*args)
        out, err = process.communicate(timeout=120)
        return Ran(process.returncode, out, err)

    def files(self) -> set[str]:
        return {p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if p.is_file()}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve(Hub(repo=PROFILE.model, revision=PROFILE.revision, files=pipeline())) as running:
        yield running


@pytest.fixture
def user(hub: Hub, tmp_path: Path) -> User:
    return User(hub, tmp_path / "models")


def test_only_what_diffusers_loads_is_fetched_and_list_shows_it(user: User) -> None:
    done = user.runs("fetch", ENGINE, "--json")
    assert done.status == 0, done.err
    assert done.json["revision"] == PROFILE.revision
    assert user.files() == NEEDED
    assert all((user.folder / n).read_bytes() == user.hub.files[n] for n in NEEDED & user.hub.files.keys())
    assert not (user.models / ".fetching" / f"{PROFILE.model.replace('/', '--')}@{PROFILE.revision}").exists()
    assert user.hub.tokens == {""}

    (row,) = user.runs("list", ENGINE, "--json").json["engines"]
    assert row["installed"]
    assert row["installed_revision"] == PROFILE.revision
    assert row["size_bytes"] == sum((user.folder / name).stat().st_size for name in NEEDED)

    asked = len(user.hub.requests)
    again = user.runs("fetch", ENGINE)
    assert again.status == 0
    assert "lies here already" in again.out
    assert len(user.hub.requests) == asked


def test_a_connection_that_is_cut_goes_on_where_it_was(user: User) -> None:
    user.hub.files[BIG] = safetensors(2 * CHUNK)
    user.hub.cut[BIG] = CHUNK + 1000
    done = user.runs("fetch", ENGINE)
    assert done.status == 0, done.err
    assert user.hub.ranges[BIG] == [f"bytes={CHUNK}-"]
    assert (user.folder / BIG).read_bytes() == user.hub.files[BIG]
    said = [line for line in done.err.splitlines() if line.startswith("fetching ")]
    assert said[-1] == "fetching 100 %"
    assert len(said) == len(set(said)) > 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_fetch_that_was_killed_goes_on_where_it_was(user: User, how: signal.Signals) -> None:
    user.hub.files[BIG] = safetensors(2 * CHUNK)
    user.hub.held[BIG] = 2 * CHUNK
    process = user.start("fetch", ENGINE)
    partial = user.models / ".fetching"

    def kept() -> bool:
        return any(p.stat().st_size >= CHUNK for p in partial.rglob("*.incomplete"))

    until("a part of the large file is on the disk", kept)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    if how is signal.SIGINT:
        assert "run the same command again" in err
        assert "Traceback" not in err
    assert not user.folder.exists()
    (row,) = user.runs("list", ENGINE, "--json").json["engines"]
    assert not row["installed"]

    user.hub.held.clear()
    done = user.runs("fetch", ENGINE)
    assert done.status == 0, done.err
    (asked,) = user.hub.ranges[BIG]
    assert int(asked.removeprefix("bytes=").rstrip("-")) >= CHUNK
    assert user.files() == NEEDED


def test_a_gated_model_says_which_licence_where_and_which_variable(user: User) -> None:
    user.hub.gated = True
    refused = user.runs("fetch", ENGINE)
    assert refused.status == 2
    assert PROFILE.licence in refused.err
    assert f"{user.hub.url}/{PROFILE.model}" in refused.err
    assert "PRESSCHECK_HF_TOKEN" in refused.err
    assert user.hub.tokens == {""}

    stranger = User(user.hub, user.models, token="hf_somebody")
    refused = stranger.runs("fetch", ENGINE)
    assert refused.status == 2
    assert "the account of your token has not" in refused.err
    assert "hf_somebody" not in refused.err + refused.out

    user.hub.accepted = frozenset({"hf_member"})
    member = User(user.hub, user.models, token="hf_member")
    done = member.runs("fetch", ENGINE)
    assert done.status == 0, done.err
    assert "hf_member" not in done.err + done.out
    assert not any("hf_member" in p.read_text(errors="ignore") for p in user.models.rglob("*") if p.is_file())


def test_an_unknown_revision_and_an_unknown_model_are_named(user: User) -> None:
    user.hub.revision = "f" * 40
    refused = user.runs("fetch", ENGINE)
    assert refused.status == 2
    assert f"no revision {PROFILE.revision}" in refused.err
    assert "engines.yml" in refused.err
    user.hub.repo = "somebody/else"
    refused = user.runs("fetch", ENGINE)
    assert refused.status == 2
    assert f"there is no {user.hub.url}/{PROFILE.model}" in refused.err


def test_too_small_a_disk_is_said_before_the_download(user: User) -> None:
    user.hub.lies[BIG] = 10**15
    refused = user.runs("fetch", ENGINE)
    assert refused.status == 1
    assert "1000000.0 GB" in refused.err
    assert "PRESSCHECK_MODELS_DIR" in refused.err
    assert not any(BIG in request for request in user.hub.requests)


def test_what_is_not_what_the_hub_states_is_never_installed(user: User) -> None:
    user.hub.spoilt = frozenset({BIG})
    refused = user.runs("fetch", ENGINE)
    assert refused.status == 1
    assert f"{BIG} is not what the hub states" in refused.err
    assert not user.folder.exists()
    user.hub.spoilt = frozenset()
    assert user.runs("fetch", ENGINE).status == 0
    assert user.files() == NEEDED


def test_a_busy_hub_is_asked_again(user: User) -> None:
    user.hub.busy = [503, 429]
    done = user.runs("fetch", ENGINE)
    assert done.status == 0, done.err


def test_weights_of_another_revision_are_replaced_and_until_then_said(user: User) -> None:
    assert user.runs("fetch", ENGINE).status == 0
    note = user.folder / "presscheck-weights.json"
    note.write_text(note.read_text().replace(PROFILE.revision, "e" * 40))
    (user.folder / "left-behind.txt").write_text("of the former revision")
    assert "another revision" in user.runs("list", ENGINE).out
    assert user.runs("fetch", ENGINE).status == 0
    assert user.files() == NEEDED


@pytest.mark.parametrize(
    ("engine", "why"),
    [("simulator", "draws by itself"), ("typeset", "draws by itself"), ("ideogram-v1", "hosted")],
)
def test_an_engine_without_weights_says_what_to_do_instead(user: User, engine: str, why: str) -> None:
    refused = user.runs("fetch", engine)
    assert refused.status == 2
    assert why in refused.err
    assert user.hub.requests == []


@pytest.mark.parametrize("command", ["fetch", "list"])
def test_a_wrong_name_gets_the_nearest_right_one(user: User, command: str) -> None:
    refused = user.runs(command, "sd3.5-lage")
    assert refused.status == 2
    assert "sd3.5-large" in refused.err


def test_the_list_fits_a_terminal_and_holds_every_engine(user: User) -> None:
    shown = on_terminal(user, "list")
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= COLUMNS
    rows = user.runs("list", "--json").json["engines"]
    assert {row["engine"] for row in rows} >= {"sd3.5-large", "ideogram-v1", "typeset", "simulator"}
    assert all(row["engine"] in shown for row in rows)
    assert all(row["why"] for row in rows)
    assert max(len(line) for line in user.runs("list").out.splitlines()) > COLUMNS, "a file takes a line whole"


def on_terminal(user: User, *args: str) -> str:
    """What a command shows on a terminal of COLUMNS, without its escape sequences."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (50, COLUMNS))
    argv = [sys.executable, "-m", "ops", "engines", *args]
    environ = {k: v for k, v in user.environ().items() if k not in {"COLUMNS", "NO_COLOR"}} | {"TERM": "xterm"}
    with subprocess.Popen(argv, cwd=ROOT, env=environ, stdin=its, stdout=its, stderr=its):
        os.close(its)
        shown = b""
        # Linux says that the other end is closed by an error.
        with suppress(OSError):
            while part := os.read(ours, 4096):
                shown += part
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n")
