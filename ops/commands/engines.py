"""`presscheck engines …`: which engines this machine can run, fetch their weights, try them, repeat a render."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from broker import settings as settings_module
from broker.settings import Settings
from ops.console import EXIT_FINDING, JsonOption, StateOption, err, out, print_json, print_table
from schemas.errors import BadConfig, Poison
from schemas.events import FileRole, ImageFormat, Preset

if TYPE_CHECKING:
    from rules.ruleset import Ruleset
    from workers.engines.weights import Installed

SHOWN_MAX: Final = 50
"""Engines that a table shows; a ruleset with more is asked for by name."""
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="The models behind the pipeline: what runs here, fetch weights, try one picture, repeat a render.",
)

ConfigOption = Annotated[Path | None, typer.Option("--config", metavar="DIR", help="Folder with the rules.")]
DeviceOption = Annotated[
    str | None, typer.Option("--device", metavar="auto|cuda|cpu", help="Where weights run; cpu is slow.")
]


@app.command("list")
def list_engines(
    names: Annotated[list[str] | None, typer.Argument(metavar="ENGINE", help="Only these, in detail.")] = None,
    state: StateOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every engine: does it run here and on what, what lies on the disk, what it costs."""
    from ops.engines.console import details
    from ops.engines.listing import engine_id, lines, machine

    settings, ruleset = _given(state, config)
    wanted = [engine_id(name, ruleset) for name in names or ruleset.engines]
    rows = lines([ruleset.engines[name] for name in wanted], settings)
    here = machine(settings)
    if as_json:
        print_json({"machine": here, "engines": [row.facts() for row in rows]})
        return
    if names:
        for row in rows:
            details(row)
        return
    print_table(
        ("engine", "runs on", ">weights", ">price", "why"),
        [(r.engine, r.way or "-", r.weights, r.price, r.why) for r in rows[:SHOWN_MAX]],
        title=f"{here.line()}; weights in {here.models} ({here.free_disk_bytes / 1e9:.0f} GB free)",
    )
    if len(rows) > SHOWN_MAX:
        out().print(f"{len(rows) - SHOWN_MAX} more: name them, or ask with --json")


@app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(metavar="ENGINE", help="An engine of `engines list`.")],
    state: StateOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Download the weights of an engine: what is fetched stays, so an interrupted download goes on where it was.

    Only the files that diffusers loads, at the revision that the profile pins,
    each checked against the hash that the hub states. Some models are given under
    a licence that you accept on their page; the message then says how.
    """
    from ops.engines.console import bytes_bar
    from ops.engines.hub import Hub
    from ops.engines.listing import engine_id
    from ops.engines.weights import refusal
    from workers.engines import weights

    settings, ruleset = _given(state, config)
    profile = ruleset.engines[engine_id(name, ruleset)]
    if refused := refusal(profile, ruleset.engines.values()):
        raise refused
    found = weights.find(profile, settings.models_location)
    if found is not None and found.revision == profile.revision:
        _fetched(name, found, already=True, as_json=as_json)
        return
    try:
        hub = Hub(settings)
        plan = hub.plan(profile)
        err().print(
            f"{profile.model} @ {plan.revision[:12]}: {len(plan.files)} files, {plan.size_bytes / 1e9:.2f} GB"
            + (f", {plan.kept_bytes / 1e9:.2f} GB of them here" if plan.kept_bytes > plan.size_bytes / 100 else "")
            + f", into {plan.target}"
            + (f"\nlicence: {profile.licence}" if profile.licence else ""),
            markup=False,
            soft_wrap=True,
        )
        with bytes_bar("fetching", plan.size_bytes, plan.kept_bytes) as got:
            hub.fetch(plan, got)
    except KeyboardInterrupt:
        err().print("stopped; what was fetched stays: run the same command again to go on", soft_wrap=True)
        raise typer.Exit(EXIT_FINDING) from None
    installed = weights.find(profile, settings.models_location)
    if installed is not None:
        _fetched(name, installed, already=False, as_json=as_json)


def _fetched(name: str, found: Installed, *, already: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "engine": name,
                "folder": str(found.folder),
                "revision": found.revision,
                "size_bytes": found.size_bytes,
                "already_installed": already,
            }
        )
        return
    was = "lies here already" if already else "is installed"
    out().print(
        f'{name} {was}: {found.size_bytes / 1e9:.2f} GB in {found.folder}\ntry it: presscheck engines try {name} "…"',
        markup=False,
        soft_wrap=True,
    )


@app.command("try")
def try_engine(
    name: Annotated[str, typer.Argument(metavar="ENGINE", help="An engine of `engines list` that runs here.")],
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What to draw.")],
    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="PHRASE", help="Text the picture must show; once a phrase.")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            metavar="ROLE=PATH",
            help=f"A file for it, such as logo=logo.png; once a file. Roles: {', '.join(FileRole)}.",
        ),
    ] = None,
    width: Annotated[int, typer.Option(min=64, max=8192, help="Width, pixels.")] = 1024,
    height: Annotated[int, typer.Option(min=64, max=8192, help="Height, pixels.")] = 1024,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed; without it, the same command has the same.")] = None,
    preset: Annotated[Preset | None, typer.Option(help="Sampling preset; without it, the one routing gives.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, max=100, help="Denoising steps.")] = None,
    negative: Annotated[str, typer.Option("--negative", help="What should not be seen.")] = "",
    brand: Annotated[str, typer.Option(help="Brand of config/brands, for its colours.")] = "",
    upscale: Annotated[int, typer.Option(help="Enlarge 1, 2 or 4 times.")] = 1,
    image_format: Annotated[
        ImageFormat | None, typer.Option("--format", help="File format; without it, as --out ends, else png.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Default: ENGINE-SEED.FORMAT.")] = None,
    inspect: Annotated[bool, typer.Option("--inspect", help="Run the checks too, and say the verdict.")] = False,
    device: DeviceOption = None,
    state: StateOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Render one picture with one engine, outside the pipeline: no broker, no database.

    Engine, profile and finishing are those of the pipeline; a hosted engine charges for it.
    Exit status: 1 where the render fails or, with --inspect, the picture is not accepted.
    """
    from broker import logs
    from ops.engines.console import say_tried, steps_bar
    from ops.engines.listing import engine_id
    from ops.engines.once import check, files_of, format_of, render, trial
    from schemas.events import RenderFailure, Verdict
    from workers.checks.cores import share_cores
    from workers.checks.vision import open_vision

    settings, ruleset = _given(state, config, device)
    logs.set_up(settings, process="try")
    image_format = image_format or format_of(to)
    fields: dict[str, Any] = {
        "prompt": prompt,
        "engine": engine_id(name, ruleset),
        "width": width,
        "height": height,
        "brand": brand,
        "negative_prompt": negative,
        "required_text": text or [],
        "files": list(files_of(file or [])),
        **({} if seed is None else {"seed": seed}),
        **({} if upscale == 1 else {"upscale": upscale}),
        **({} if image_format is ImageFormat.PNG else {"format": image_format.value}),
    }
    asked = trial(fields, ruleset, settings, preset=preset, steps=steps)
    with steps_bar() as watch:
        tried = render(asked, ruleset, settings, watch)
    if isinstance(tried, RenderFailure):
        err().print(f"{name} failed: {tried.kind.value}, {tried.message}", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_FINDING)
    path = to or Path(f"{name}-{tried.request.sampling.seed}.{tried.suffix}")
    try:
        path.write_bytes(tried.finished.data)
    except OSError as e:
        raise BadConfig(f"{path} cannot be written: {e.strerror}", mend="choose another place with --out") from e
    facts: dict[str, Any] = {"file": str(path), **tried.facts()}
    if inspect:
        judgement = check(tried, ruleset, share_cores(settings.inspect_threads), open_vision(settings))
        facts |= {"verdict": judgement.verdict.value, "reasons": list(judgement.reasons)}
    if as_json:
        print_json(facts)
    else:
        say_tried(facts)
    if facts.get("verdict", Verdict.ACCEPT.value) != Verdict.ACCEPT.value:
        raise typer.Exit(EXIT_FINDING)


@app.command("again")
def again(
    reference: Annotated[str, typer.Argument(metavar="JOB|MANIFEST", help="A job id, or the sha256 of a manifest.")],
    attempt: Annotated[int | None, typer.Option(min=0, help="Attempt of the job (default: its last).")] = None,
    replay: Annotated[str | None, typer.Option("--replay", metavar="ID", help="Attempt of this replay.")] = None,
    device: DeviceOption = None,
    state: StateOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Render an attempt again from its manifest, and say whether the very same picture came of it.

    Compared is what the engine gave, before finishing; a hosted engine charges
    for it once more. Exit status: 0 where it is the same to the byte, else 1;
    where another device or other weights made it, that is said and is no fault.
    """
    from broker import logs
    from ops.engines.again import Outcome, find
    from ops.engines.again import again as render_again
    from ops.engines.console import steps_bar
    from store.artifacts import open_store

    if attempt is not None and len(reference) == 64:
        raise Poison("--attempt goes with a job id; a manifest is one attempt already")
    settings, ruleset = _given(state, config, device)
    logs.set_up(settings, process="again")
    store = open_store(settings)
    with steps_bar() as watch:
        seen = render_again(find(store, reference, attempt, replay), store, ruleset, settings, watch)
    if as_json:
        print_json(seen.facts())
    else:
        said = {
            Outcome.SAME: "the same picture, to the byte",
            Outcome.DIFFERENT: "another picture, though device, weights and code are the same",
            Outcome.ELSEWHERE: "another picture; nothing else was promised, for what made it differs",
        }
        rows = [("then", seen.then_sha256), ("now", seen.now_sha256)]
        rows += [(what, f"{then} then, {now} now") for what, (then, now) in seen.differs.items()]
        out().print(f"{seen.engine}, attempt {seen.attempt} of job {seen.job_id}: {said[seen.outcome]}", soft_wrap=True)
        print_table(("", ""), [*rows, *(("note", note) for note in seen.notes)])
    if seen.outcome is not Outcome.SAME:
        raise typer.Exit(EXIT_FINDING)


@app.command("ask")
def ask_host(
    name: Annotated[str, typer.Argument(metavar="ENGINE", help="An engine whose host offers it.")],
    operation: Annotated[str, typer.Argument(metavar="describe|upscale", help="What to ask for.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="PNG, JPEG or WebP.")],
    to: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where a larger picture goes.")] = Path("large.png"),
    state: StateOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the host of an engine what it sees in a picture, or for a larger one; the host may charge for it."""
    from broker import logs
    from ops.engines.hosted import asked
    from ops.engines.listing import engine_id

    settings, ruleset = _given(state, config)
    logs.set_up(settings, process="ask")
    answer = asked(ruleset.engines[engine_id(name, ruleset)], settings, operation, file)
    if isinstance(answer, tuple):
        print_json({"descriptions": list(answer)}) if as_json else out().print(*answer, sep="\n", markup=False)
        return
    try:
        to.write_bytes(answer.data)
    except OSError as e:
        raise BadConfig(f"{to} cannot be written: {e.strerror}", mend="choose another place with --out") from e
    facts = {"file": str(to), "media_type": answer.media_type, "size_bytes": len(answer.data)}
    print_json(facts) if as_json else out().print(f"{to}: {len(answer.data)} bytes", markup=False)


def _given(state: Path | None, config: Path | None, device: str | None = None) -> tuple[Settings, Ruleset]:
    from ops.rulesets.publish import read_config

    settings = settings_module.load(state)
    if device is not None:
        if device not in {"auto", "cuda", "cpu"}:
            raise BadConfig(f"--device {device}", mend="choose auto, cuda or cpu")
        settings = settings.model_copy(update={"device": device})
    return settings, read_config(config or settings.config_dir)
