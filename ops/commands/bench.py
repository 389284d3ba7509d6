"""`presscheck bench …`: measurements that anyone can repeat on their machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.bench.corpus_kinds import Split
from ops.commands import bench_rollout, bench_rules
from ops.console import EXIT_FINDING, EXIT_WRONG_USE, JsonOption, err, out, print_json, print_table, progress
from schemas.errors import BadConfig

if TYPE_CHECKING:
    from ops.bench.duty import DutyFigures
    from ops.bench.gpu import Figures, Machine
    from ops.bench.path import PathFigures
    from ops.bench.schedulers import Row

app = typer.Typer(add_completion=False, help="Measure on this machine.", no_args_is_help=True)
app.command("rollout")(bench_rollout.rollout_command)
app.command("rules")(bench_rules.rules_command)
app.command("what-if")(bench_rules.what_if_command)


@app.command("stack")
def stack(
    rest_s: Annotated[float, typer.Option("--rest", help="Seconds at rest before memory is measured.")] = 10.0,
    as_json: JsonOption = False,
) -> None:
    """How long `up` takes until ready, and the resident memory at rest, in a state folder of its own."""
    from ops.bench.stack import LIMIT_MIB, LIMIT_READY_S, measure

    seen = measure(rest_s)
    if as_json:
        print_json(asdict(seen))
    else:
        print_table(
            ("what", ">measured", ">at most"),
            [
                ("ready, first start, s", f"{seen.first_ready_s:.1f}", LIMIT_READY_S),
                ("ready, second start, s", f"{seen.second_ready_s:.1f}", LIMIT_READY_S),
                ("resident at rest, MiB", f"{seen.rss_mib:.0f}", LIMIT_MIB),
            ],
            title=seen.machine,
        )
        print_table(("process", ">MiB"), [(name, f"{mib:.0f}") for name, mib in seen.processes.items()])
        out().print("Memory is RSS, summed: pages that processes share count for each of them.")
    if not seen.within_limits:
        raise typer.Exit(EXIT_FINDING)


@app.command("path")
def path(
    rate: Annotated[float, typer.Option("--rate", min=1, max=1000, help="Jobs a second.")] = 50.0,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=600, help="Seconds that are timed.")] = 20.0,
    as_json: JsonOption = False,
) -> None:
    """How long a job takes from prompt to design-queue, and each hop, where engine and checks cost nothing.

    Starts a broker and the stages of its own. Sanity and validation are the real ones; render and inspect are the
    real worker loop with nothing to do in it.
    """
    from ops.bench.path import measure

    seen = measure(rate, seconds)
    if as_json:
        print_json(asdict(seen))
    else:
        _show_path(seen)
    if not seen.within_limits:
        raise typer.Exit(EXIT_FINDING)


def _show_path(seen: PathFigures) -> None:
    print_table(
        ("hop", ">p50 ms", ">p95 ms", ">p99 ms", ">max ms"),
        [
            (name, f"{f.p50_ms:.0f}", f"{f.p95_ms:.0f}", f"{f.p99_ms:.0f}", f"{f.max_ms:.0f}")
            for name, f in seen.latency.items()
        ],
        title=f"{seen.machine}; load average {seen.load_before} before, {seen.load_after} after",
    )
    counted, console = seen.ends, out()
    console.print(
        f"sent {counted.sent}, arrived {counted.arrived}, lost {counted.lost}, twice {counted.twice}"
        + "".join(f", on {topic} {n}" for topic, n in counted.elsewhere.items())
    )
    console.print(f"{seen.timed} jobs timed at {seen.achieved_rate:g} a second, after {seen.warm_up_s:g} s of warm-up")
    console.print("cores used: " + ", ".join(f"{name} {share:.2f}" for name, share in seen.cpu_share.items()))
    console.print(f"audit: {seen.audit}. The p95 of the whole way is to stay under {seen.limit_p95_ms} ms.")
    console.print("Measured from handing a prompt over until a read_committed reader holds the record, on one clock.")


@app.command("duty")
def duty(
    batches: Annotated[int, typer.Option("--batches", min=2, max=1000, help="Batches that each loop renders.")] = 30,
    batch: Annotated[int, typer.Option("--batch", min=1, max=16, help="Pictures of 1024 x 1024 in a batch.")] = 4,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.05, max=60, help="Time of the engine for a batch.")
    ] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """How busy the render worker keeps an engine of a fixed time a batch, next to a plain loop.

    Starts a broker of its own. Both loops read, encode, store and announce the same pictures.
    """
    from ops.bench.duty import measure

    seen = measure(batches, batch, seconds)
    if as_json:
        print_json(asdict(seen))
    else:
        _show_duty(seen)
    if not seen.within_limits:
        raise typer.Exit(EXIT_FINDING)


def _show_duty(seen: DutyFigures) -> None:
    print_table(
        ("loop", ">batches", ">engine s", ">wall s", ">engine / wall", ">pictures an hour"),
        [
            (name, f.batches, f"{f.engine_s:.1f}", f"{f.wall_s:.1f}", f"{f.duty:.3f}", f.pictures_per_hour)
            for name, f in seen.loops.items()
        ],
        title=f"{seen.machine}; load average {seen.load_before} before, {seen.load_after} after",
    )
    out().print(
        f"{seen.batch} pictures of 1024 x 1024 in a batch of {seen.batch_s:g} s, {seen.png_bytes // 1000} kB a PNG. "
        f"Ours is to reach {seen.limit_duty:g}."
    )


@app.command("schedulers")
def schedulers(as_json: JsonOption = False) -> None:
    """Every scheduler that diffusers ships, tried on a tiny SD3 pipeline with random weights.

    Says which ones the profiles refuse, and what the latent guard makes of them when they are forced past the
    profile. Exits with 1 where a scheduler that a profile allows does not end at good latents.
    """
    from broker.settings import load
    from ops.bench.schedulers import measure
    from ops.rulesets.publish import read_config

    rows = list(measure(read_config(load().config_dir)))
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        _show_schedulers(rows)
    if any(row.wrongly_allowed for row in rows):
        raise typer.Exit(EXIT_FINDING)


def _show_schedulers(rows: list[Row]) -> None:
    print_table(
        ("scheduler", "profiles", "ran", ">std", ">|max|", "guard", "repeats"),
        [
            (
                row.scheduler.replace("Scheduler", ""),
                "refuse" if row.refused else "allow",
                "yes" if row.ran else "no",
                None if row.std is None else f"{row.std:.2f}",
                None if row.absmax is None else f"{row.absmax:.2f}",
                ("catches it" if row.stopped else "passes") if row.ran else None,
                {True: "yes", False: "no", None: ""}[row.repeats],
            )
            for row in rows
        ],
    )
    slipping = [row.scheduler for row in rows if row.slips_through]
    out().print(
        f"{len(rows)} tried (--json says why). Refused by the profiles, and not seen by the guard on random weights: "
        f"{', '.join(slipping) or 'none'}."
    )


@app.command("gpu")
def gpu(
    size: Annotated[str, typer.Option("--size", help="large; or tiny, the same lines on the CPU.")] = "large",
    repeats: Annotated[int, typer.Option("--repeats", min=1, max=100, help="Batches timed, after a first one.")] = 3,
    eager: Annotated[bool, typer.Option("--eager", help="Leave the compiled model away.")] = False,
    worker: Annotated[
        int, typer.Option("--worker", min=0, max=1000, help="As many batches through the render worker, too.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Seconds an image, images an hour and memory of SD3.5 Large's true size, with random weights, on this GPU.

    bf16, 1024 x 1024, 28 steps; eager and compiled; batches of 1, 2 and 4. No weights are downloaded.
    With --worker, how busy the render worker keeps the engine, on a broker of its own.
    """
    from broker.settings import load
    from ops.bench.gpu import SIZES, machine, measure
    from ops.rulesets.publish import read_config

    if size not in SIZES:
        raise typer.BadParameter(f"{size!r} is none of {', '.join(SIZES)}", param_hint="--size")
    try:
        where = machine(SIZES[size], repeats)
    except BadConfig as e:
        err().print(str(e))
        raise typer.Exit(EXIT_WRONG_USE) from None
    figures: list[Figures] = []
    for figure in measure(read_config(load().config_dir), where, compiled=not eager, worker_batches=worker):
        figures.append(figure)
        if not as_json:
            err().print(f"{figure.mode}, batch {figure.batch}: {figure.seconds_per_image:.2f} s an image")
    if as_json:
        print_json({"machine": asdict(where), "figures": [asdict(f) for f in figures]})
    else:
        _show_gpu(where, figures)
    if any(f.failure for f in figures):
        raise typer.Exit(EXIT_FINDING)


def _show_gpu(where: Machine, figures: list[Figures]) -> None:
    of = where.size
    print_table(
        ("model", ">batch", ">first batch, s", ">s an image", ">images an hour", ">peak GB", ">busy", ""),
        [
            (
                f.mode,
                f.batch,
                f"{f.first_s:.1f}",
                f"{f.seconds_per_image:.3f}",
                f"{f.images_per_hour:.0f}",
                None if f.peak_bytes is None else f"{f.peak_bytes / 1e9:.1f}",
                None if f.worker is None else f"{f.worker.duty:.3f}",
                f.failure,
            )
            for f in figures
        ],
        title=f"{where.device}; {where.versions}",
    )
    out().print(
        f"SD3.5 {of.parts}, random weights, {of.precision}, {of.side_px} x {of.side_px}, {of.steps} steps, "
        f"guidance on; median of {where.repeats} batches. Busy: engine time over wall time in the render worker."
    )


@app.command("inspect")
def inspect(
    corpus: Annotated[bool, typer.Option("--corpus", help="Inspect the drawn corpus and count verdicts.")] = False,
    looks: Annotated[bool, typer.Option("--looks", help="Measure what each look at the text costs and gains.")] = False,
    count: Annotated[
        int | None, typer.Option("--count", min=1, max=100_000, help="Pictures: 20 timed, 200 of the corpus.")
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="Half of the corpus.")] = Split.TUNE,
    worst: Annotated[
        Path | None, typer.Option("--worst", metavar="DIR", help="Keep pictures of the corpus that went wrong.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=64, help="Processes that inspect the corpus.")] = 1,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=1, help="End the corpus after so long, whatever --count says.")
    ] = None,
    easyocr: Annotated[bool, typer.Option("--easyocr/--no-easyocr", help="Time EasyOCR too.")] = True,
    as_json: JsonOption = False,
) -> None:
    """How fast the inspection is beside plain readers; with --corpus, what it accepts; with --looks, each look.

    Twenty pictures take about four minutes with EasyOCR. The pictures are drawn from seeds.
    """
    from broker.settings import load
    from ops.bench import inspect_corpus, inspect_looks, inspect_speed, inspect_tables
    from ops.rulesets.publish import config_folder, read_config

    if looks:
        inspect_looks.show(
            progress(inspect_looks.measure(split, count or 200), count or 200, "looked at"), as_json=as_json
        )
        return
    folder = config_folder(load().config_dir)
    if corpus:
        total = count or 200
        seen = inspect_corpus.measure(
            read_config(folder),
            split,
            total,
            worst=worst,
            jobs=jobs,
            seconds=seconds,
            seen=lambda o: progress(o, total, "inspected"),
        )
        if as_json:
            print_json(seen.as_json())
        else:
            inspect_tables.show_corpus(seen)
        return
    beside = inspect_speed.plain(easyocr=easyocr)
    names = (inspect_speed.OURS, *(p.name for p in beside if p.installed))
    figures = dict(progress(inspect_speed.measure(folder, count or 20, names), len(names), "measured"))
    if as_json:
        print_json({name: asdict(figure) for name, figure in figures.items()})
    else:
        inspect_tables.show_speed(figures, left_out=[p.absence for p in beside if not p.installed])
