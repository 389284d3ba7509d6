"""Fetches a profile's weights from the hub: only what diffusers loads, resumable, verified, put in place whole."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Self, TypeVar, cast

import httpx
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import logging as hub_logging

from broker.settings import Settings
from ops.engines.weights import HubFile, Plan, choose
from rules.engines import EngineProfile
from schemas.errors import BadConfig, Fatal, PresscheckError, Transient
from workers.engines import weights
from workers.engines.weights import INDEX

PAUSES_S: Final = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Waits before another try while nothing new arrives; every byte that does arrive starts the row anew."""
SPARE_BYTES: Final = 512 * 1024**2
"""Left free on the disk beside the weights."""
PARTIAL: Final = ".fetching"

T = TypeVar("T")
OnBytes = Callable[[int], None]
"""Told how many bytes more there are now; fewer, where a server began a file anew."""


class Hub:
    """The hub of the settings. Token and endpoint come from there and from nowhere else."""

    def __init__(self, settings: Settings) -> None:
        self._models = settings.models_location
        self._token = settings.hf_token.get_secret_value()
        self._endpoint = settings.hf_endpoint.rstrip("/")
        self._api = HfApi(endpoint=self._endpoint, token=self._token or False, library_name="presscheck")
        # Through the chunk store a file that is cut off begins anew; over plain HTTP it goes on where it was.
        constants.HF_HUB_DISABLE_XET = True
        hub_logging.set_verbosity_error()

    def plan(self, profile: EngineProfile) -> Plan:
        """What the hub has for a profile. Raises BadConfig (licence, revision, layout), Transient, Fatal."""
        stated = self._asked(profile, lambda: self._stated(profile))
        if stated.revision != profile.revision:
            raise BadConfig(
                f"the hub says {stated.revision} for the revision {profile.revision} of {profile.id}",
                mend="pin a whole commit in config/engines.yml",
            )
        partial = self._models / PARTIAL / f"{profile.model.replace('/', '--')}@{profile.revision}"
        if INDEX not in stated.files:
            raise BadConfig(f"{profile.model} is no diffusers pipeline: it has no {INDEX}", mend="name another model")
        self._download(profile, stated.files[INDEX], partial, _unseen)
        return Plan(
            profile=profile,
            revision=stated.revision,
            files=choose(profile, stated.files, json.loads((partial / INDEX).read_text(encoding="utf-8"))),
            target=weights.folder_of(profile, self._models),
            partial=partial,
            kept_bytes=_size(partial),
        )

    def fetch(self, plan: Plan, on_bytes: OnBytes) -> None:
        """Download, verify, and put the folder in its place. What was fetched stays, however this ends.

        Raises Fatal where the disk is too small or a file is not what the hub states, Transient where the hub is
        away, BadConfig where it refuses us.
        """
        _room(plan)
        with _alone(plan):
            for file in plan.files:
                self._download(plan.profile, file, plan.partial, on_bytes)
            for file in plan.files:
                _verify(plan.partial, file)
            _put_in_place(plan)

    def _stated(self, profile: EngineProfile) -> _Stated:
        info = self._api.model_info(profile.model, revision=profile.revision, files_metadata=True, timeout=60)
        files: dict[str, HubFile] = {}
        for sibling in info.siblings or ():
            name, size = sibling.rfilename, sibling.size
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or size is None:
                raise Fatal(f"the hub states a file of {profile.model} that cannot be: {name!r}, {size} bytes")
            sha256 = sibling.lfs.sha256 if sibling.lfs else None
            files[name] = HubFile(name=name, size_bytes=size, sha256=sha256, git_sha1=sibling.blob_id)
        return _Stated(revision=info.sha or "", files=files)

    def _download(self, profile: EngineProfile, file: HubFile, folder: Path, on_bytes: OnBytes) -> None:
        self._asked(
            profile,
            lambda: cast("Any", self._api).hf_hub_download(
                profile.model,
                file.name,
                revision=profile.revision,
                local_dir=folder,
                cache_dir=folder / ".cache" / "none",  # what other programs cached is not ours to trust
                tqdm_class=_bar(on_bytes),
            ),
            lambda: _size(folder),
        )

    def _asked(self, profile: EngineProfile, ask: Callable[[], T], got: Callable[[], int] = lambda: 0) -> T:
        """The hub's answer, with a bounded number of tries; those during which `got` grew do not count."""
        tries = 0
        while True:
            before = got()
            try:
                return ask()
            except (httpx.TransportError, HfHubHTTPError, LocalEntryNotFoundError) as e:
                error = self._classed(e, profile)
                if not isinstance(error, Transient):
                    raise error from e
                tries = 0 if got() > before else tries + 1
                if tries >= len(PAUSES_S):
                    raise error from e
            except OSError as e:
                raise Fatal(f"the weights of {profile.id} could not be written: {e}") from e
            time.sleep(PAUSES_S[tries])

    def _classed(self, error: Exception, profile: EngineProfile) -> PresscheckError:
        """What an error of the hub means for whoever asked; never with the token in it."""
        cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) and error.__cause__ else error
        page = f"{self._endpoint}/{profile.model}"
        status = cause.response.status_code if isinstance(cause, HfHubHTTPError) else None
        match cause:
            case GatedRepoError():
                return self._gated(profile, page)
            case RevisionNotFoundError():
                mend = f"see {page}/commits/main, and correct `revision` in config/engines.yml"
                return BadConfig(f"{profile.model} has no revision {profile.revision}", mend=mend)
            case RepositoryNotFoundError():
                hint = "" if self._token else ", or it is private and PRESSCHECK_HF_TOKEN is not set"
                return BadConfig(f"there is no {page}{hint}", mend="correct `model` in config/engines.yml")
            case HfHubHTTPError() if status in {401, 403}:
                mend = f"make a token that may read at {self._endpoint}/settings/tokens, and set PRESSCHECK_HF_TOKEN"
                return BadConfig(f"{page} answered {status}: the token is not accepted", mend=mend)
            case HfHubHTTPError() if status is not None and status < 500 and status not in {408, 429}:
                return Fatal(f"{page} answered {status}")
            case _:
                said = f"answered {status}" if status else f"cannot be reached ({type(cause).__name__})"
                return Transient(f"{self._endpoint} {said}; what was fetched stays: run the same command again")

    def _gated(self, profile: EngineProfile, page: str) -> BadConfig:
        token = f"make a token that may read at {self._endpoint}/settings/tokens, and set PRESSCHECK_HF_TOKEN to it"
        licence = f" under the {profile.licence}" if profile.licence else ""
        return BadConfig(
            f"{profile.model} is given{licence}, which you have to accept first"
            + (": the account of your token has not" if self._token else ""),
            mend=f"accept it at {page}" + ("" if self._token else f", then {token}"),
        )


@dataclass(frozen=True, slots=True)
class _Stated:
    revision: str
    files: Mapping[str, HubFile]


def _bar(on_bytes: OnBytes) -> type[object]:
    """The little of a tqdm bar that the hub's client uses."""

    class Bar:
        def __init__(self, **_: object) -> None: ...

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def update(self, more: int) -> None:
            on_bytes(more)

    return Bar


def _unseen(_more: int) -> None:
    """Progress that nobody looks at."""


def _size(folder: Path) -> int:
    """Bytes fetched into a folder, half files included; the client's own notes are few."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.suffix not in {".metadata", ".lock"})


def _room(plan: Plan) -> None:
    there = next(p for p in (plan.partial.absolute(), *plan.partial.absolute().parents) if p.exists())
    free, need = shutil.disk_usage(there).free, plan.missing_bytes + SPARE_BYTES
    if free < need:
        raise Fatal(
            f"{plan.profile.id} still needs {plan.missing_bytes / 1e9:.1f} GB (and {SPARE_BYTES / 1e9:.1f} to spare),"
            f" {there} has {free / 1e9:.1f} GB free; make room, or set PRESSCHECK_MODELS_DIR to another disk"
        )


@contextmanager
def _alone(plan: Plan) -> Generator[None]:
    """Only one process fetches one model; the lock goes with the process, however it ends."""
    plan.partial.mkdir(parents=True, exist_ok=True)
    handle = os.open(plan.partial.with_name(f"{plan.partial.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Transient(f"another process is fetching {plan.profile.id}; wait for it") from None
        yield
    finally:
        os.close(handle)


def _verify(folder: Path, file: HubFile) -> None:
    """Hash a file against what the hub states. One that differs is removed, so that the next run fetches it anew."""
    path = folder / file.name
    whole = hashlib.sha256() if file.sha256 else hashlib.sha1(usedforsecurity=False)
    if not file.sha256:
        whole.update(b"blob %d\0" % path.stat().st_size)  # as git hashes a file
    with path.open("rb") as opened:
        while block := opened.read(1 << 22):
            whole.update(block)
    want = file.sha256 or file.git_sha1
    if path.stat().st_size != file.size_bytes or (want and whole.hexdigest() != want):
        size = path.stat().st_size
        path.unlink()
        raise Fatal(
            f"{file.name} is not what the hub states: {size} bytes of {file.size_bytes}, hash {whole.hexdigest()[:12]}"
            f" where {(want or '')[:12]} was promised; it was removed: run the same command again"
        )


def _put_in_place(plan: Plan) -> None:
    """Swap the verified folder in. Whatever lay there before goes away last."""
    shutil.rmtree(plan.partial / ".cache", ignore_errors=True)
    notes = {f.name: {"bytes": f.size_bytes, "hash": f.sha256 or f.git_sha1 or ""} for f in plan.files}
    weights.write_note(plan.partial, plan.profile.model, plan.revision, notes)
    plan.target.parent.mkdir(parents=True, exist_ok=True)
    former = plan.partial.with_name(f"{plan.partial.name}.former")
    shutil.rmtree(former, ignore_errors=True)
    if plan.target.exists():
        plan.target.rename(former)
    plan.partial.rename(plan.target)
    shutil.rmtree(former, ignore_errors=True)
