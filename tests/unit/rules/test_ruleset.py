"""The ruleset of config/ loads and means what it says; whatever is wrong is refused with its place."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from rules.decide import on_inspected
from rules.engines import UNSUITED, EngineKind, Hosted, HostedApi, Loading, Offload, Quantise, SamplingPreset
from rules.ruleset import FILES, from_document, load_ruleset
from schemas.errors import BadConfig, Poison
from schemas.events import FailureKind, ImageInspected, Preset, ReviewRequested, Rung
from tests.unit.rules.samples import changed, config, inspection, job, read, rendering, routed, ruleset

PIPELINE = """pipeline:
  - prefilter: prompt-sanity-check
  - primary_generator: sd3.5-large
  - text_validator: ideogram-check
  - scorer: aesthetic-and-reading-score
  - postprocess: color-normalize
"""


def test_the_five_lines_load_and_mean_what_they_say():
    rules = load_ruleset({**config(), "pipeline.yml": PIPELINE})
    assert rules.pipeline.prefilter == "prompt-sanity-check"
    assert next(r for r in rules.routing.rules if r.name == "otherwise").engine == "sd3.5-large"
    assert rules.ladder.specialist == "ideogram-v1"
    assert rules.pipeline.scorer == "aesthetic-and-reading-score"
    assert rules.postprocess == ("color-normalize",)
    assert rules.checks == (
        "bytes", "size", "latents", "blank", "noise", "text", "palette", "aesthetic", "composition", "logo",
        "tones", "drift", "duplicate", "glyphs", "people",
    )  # fmt: skip
    assert rules.readers == ("rapidocr", "rapidocr@640", "rapidocr@curve")


def test_another_primary_generator_takes_the_rest_of_the_work():
    rules = load_ruleset(changed("pipeline.yml", "sd3.5-large", "sd3.5-medium"))
    assert rules.routing.rules[-1].engine == "sd3.5-medium"


def test_the_check_that_only_ranks_is_in_force_where_the_scorer_asks_for_it():
    without = config()["verdict.yml"].replace("palette, aesthetic,", "palette,")
    with pytest.raises(BadConfig, match=r"pipeline\.yml:5: .*ranks by the check 'aesthetic', which is not in force"):
        load_ruleset({**config(), "verdict.yml": without})
    reading = config()["pipeline.yml"].replace("aesthetic-and-reading-score", "reading-score")
    with pytest.raises(BadConfig, match=r"pipeline\.yml:5: .*'aesthetic' only ranks, and reading-score does not ask"):
        load_ruleset({**config(), "pipeline.yml": reading})
    modes = config()["failure-modes.yml"].replace("caught_by: [aesthetic, composition]", "caught_by: [composition]")
    rules = load_ruleset(
        {"pipeline.yml": reading, "verdict.yml": without, "failure-modes.yml": modes}
        | {
            name: text
            for name, text in config().items()
            if name not in {"pipeline.yml", "verdict.yml", "failure-modes.yml"}
        }
    )
    assert "aesthetic" not in rules.checks


def test_postprocess_may_be_left_out_and_only_it():
    steps = "  - postprocess: color-normalize\n  - postprocess: content-credentials\n"
    assert load_ruleset(changed("pipeline.yml", steps, "")).postprocess == ()


def test_the_id_names_the_content():
    rules = ruleset()
    assert rules.id == hashlib.sha256(rules.document.encode()).hexdigest()
    assert from_document(rules.document) == rules
    assert load_ruleset(dict(reversed(config().items()))) == rules
    assert load_ruleset(changed("verdict.yml", "# Checks", "# All checks")).id == rules.id
    assert load_ruleset(changed("verdict.yml", "similar: 0.6", "similar: 0.76")).id != rules.id


def test_palettes_are_looked_up_by_brand():
    assert ruleset().palette("halden-outdoor")[0] == "#20302a"
    assert ruleset().palette("") == ()


@pytest.mark.parametrize("document", ["", "[]", "{}", "nonsense", "[" * 100_000])
def test_a_document_that_is_none_is_poison(document: str):
    with pytest.raises(Poison):
        from_document(document)


def test_a_document_in_another_form_is_poison_for_its_id_would_not_name_it():
    with pytest.raises(Poison, match="canonical"):
        from_document(json.dumps(json.loads(ruleset().document), indent=1))


def test_a_wrong_document_names_the_file():
    raw = json.loads(ruleset().document)
    raw["ladder.yml"]["max_attempts"] = 99
    with pytest.raises(BadConfig, match=r"ladder\.yml: max_attempts: is 99"):
        from_document(json.dumps(raw))


def test_files_that_are_missing_or_too_many():
    with pytest.raises(BadConfig, match=r"routing\.yml: is missing"):
        load_ruleset({k: v for k, v in config().items() if k != "routing.yml"})
    with pytest.raises(BadConfig, match=r"did you mean 'routing\.yml'"):
        load_ruleset({**config(), "routng.yml": "rules: []"})
    assert set(FILES) < set(config())


# file, what is written instead of what, where the error lies (a piece of that line), what it says
DISTILLED = "    distilled: true\n    precision: bf16\n    schedulers:\n"
WRONG = [
    (
        "pipeline.yml",
        "sd3.5-large",
        "sd3.5-lrge",
        "sd3.5-lrge",
        "there is no engine 'sd3.5-lrge'; did you mean 'sd3.5-large'",
    ),
    ("pipeline.yml", "ideogram-check", "ideogram-chek", "ideogram-chek", "did you mean 'ideogram-check'"),
    ("pipeline.yml", "scorer:", "scorr:", "scorr", "there is no stage 'scorr'; did you mean 'scorer'"),
    ("pipeline.yml", "prompt-sanity-check", "prompt-check", "prompt-check", "no prefilter 'prompt-check'"),
    ("pipeline.yml", "aesthetic-and-reading-score", "beauty", "beauty", "no scorer 'beauty'"),
    ("pipeline.yml", "color-normalize", "colour-normalise", "colour-normalise", "did you mean 'color-normalize'"),
    ("pipeline.yml", "  - scorer: aesthetic-and-reading-score\n", "", "pipeline:", "lacks scorer"),
    (
        "pipeline.yml",
        "  - prefilter",
        "  - prefilter: prompt-sanity-check\n  - prefilter",
        None,
        "stands twice, first in line 2",
    ),
    (
        "pipeline.yml",
        "postprocess: color-normalize",
        "postprocess: color-normalize\n  - postprocess: color-normalize",
        None,
        "color-normalize stands twice",
    ),
    (
        "pipeline.yml",
        "postprocess: color-normalize",
        "postprocess: content-credentials\n  - postprocess: color-normalize",
        "color-normalize",
        "color-normalize comes after content-credentials",
    ),
    ("pipeline.yml", "postprocess: color-normalize", "prefilter2: x", "prefilter2", "no stage"),
    ("pipeline.yml", "  - postprocess: color-normalize", "  - a: 1\n    b: 2", "a: 1", "want one stage"),
    ("engines.yml", "  ideogram-v1:\n", "  ideogram-v9:\n", None, "hands wrong text to ideogram-v1"),
    (
        "engines.yml",
        "standard: {scheduler: FlowMatchEulerDiscreteScheduler, steps: 28",
        "standard: {scheduler: EulerDiscreteScheduler, steps: 28",
        "EulerDiscreteScheduler, steps: 28",
        "does not allow the scheduler EulerDiscreteScheduler",
    ),
    (
        "engines.yml",
        "standard: {scheduler: FlowMatchEulerDiscreteScheduler, steps: 28",
        "standard: {scheduler: FlowMatchEuler, steps: 28",
        "FlowMatchEuler,",
        "did you mean 'FlowMatchEulerDiscreteScheduler'",
    ),
    (
        "engines.yml",
        "standard: {scheduler: FlowMatchEulerDiscreteScheduler, steps: 28",
        "standard: {scheduler: FlowMatchEulerDiscreteScheduler, steps: 61",
        None,
        "takes 8 to 60 steps, not 61",
    ),
    ("engines.yml", "steps: 28, guidance: 3.5", "steps: 28, guidance: 9", None, "guidance of 1 to 7, not 9"),
    ("engines.yml", "FlowMatchHeunDiscreteScheduler: {", "DDIMScheduler: {", "DDIMScheduler", "clips the latents"),
    (
        "engines.yml",
        "FlowMatchHeunDiscreteScheduler: {",
        "HeunScheduler: {",
        "HeunScheduler",
        "there is no scheduler 'HeunScheduler'",
    ),
    ("engines.yml", "use_flow_sigmas: true, ", "", "DPMSolver", "needs use_flow_sigmas"),
    ("engines.yml", "shift: 3.0}", "shift: 3.0, stochastic_sampling: true}", None, "draws without the job's generator"),
    ("engines.yml", "kind: sd3", "kind: sd4", "sd4", "there is no engine kind 'sd4'"),
    ("engines.yml", "    timeout_s: 180\n", "", "sd3.5-large:", "lacks timeout_s"),
    ("engines.yml", "guidance: [1.0, 7.0]", "guidance: [7.0, 1.0]", None, "swap them"),
    ("engines.yml", "guidance: [1.0, 7.0]", "guidance: [7.0]", None, "want [lowest, highest]"),
    ("engines.yml", "batch: 16}", "batch: 1}", "batch: 8", "never grow"),
    ("engines.yml", "max_batch:\n      - {pixels: 2359296, batch: 8}", "max_batch: []", None, "is empty"),
    ("engines.yml", "    schedulers:\n      none: {}", "    schedulers: {}", None, "allows no scheduler"),
    ("engines.yml", DISTILLED, f"{DISTILLED}      FlowMatchHeunDiscreteScheduler: {{}}\n", None, "distilled"),
    (
        "engines.yml",
        '    revision: "ceddf0a7fdf2064ea28e2213e3b84e4afa170a0f"\n',
        "",
        "sd3.5-large:",
        "pins no revision of its weights",
    ),
    ("engines.yml", '"ceddf0a7fdf2064ea28e2213e3b84e4afa170a0f"', "main", "main", "'main' is no commit"),
    ("engines.yml", "    licence: Stability AI Community License\n", "", "sd3.5-large:", "lacks licence"),
    ("engines.yml", "    precision: bf16\n", "", "sd3.5-large:", "of kind sd3 lacks precision"),
    ("engines.yml", "    prompt_limits: {clip_l: 77, clip_g: 77, t5: 256}\n", "", None, "lacks prompt_limits"),
    ("engines.yml", "t5: 256}", "t5: 2560}", None, "is 2560, want 1 to 512"),
    ("engines.yml", "clip_g: 77, t5", "clip_h: 77, t5", None, "unknown key 'clip_h'"),
    ("engines.yml", "    edits: true\n", "    edits: maybe\n", None, "want true or false"),
    (
        "engines.yml",
        "    edits: true\n",
        "    loading: {offload: modl}\n",
        "modl",
        "there is no offload 'modl'; did you mean 'model'",
    ),
    ("engines.yml", "    edits: true\n", "    loading: {quantise: int4}\n", "int4", "there is no quantisation 'int4'"),
    (
        "engines.yml",
        "    kind: typeset\n",
        "    kind: typeset\n    edits: true\n",
        "edits",
        "an engine of kind typeset has no edits",
    ),
    (
        "engines.yml",
        "    kind: http\n    model: V_1\n",
        "    kind: http\n    revision: a\n    model: V_1\n",
        "revision: a",
        "an engine of kind http has no revision",
    ),
    ("engines.yml", "art: sd3.5-large\n", "art: sd3.5-larg\n", "sd3.5-larg", "did you mean 'sd3.5-large'"),
    ("engines.yml", "art: sd3.5-large\n", "art: typeset\n", "art:", "there is no engine that paints 'typeset'"),
    ("engines.yml", "file_roles: [logo]", "file_roles: [colour_mask]", None, "no file role of an engine 'colour_mask'"),
    ("engines.yml", "api: ideogram\n", "api: ideograph\n", "ideograph", "did you mean 'ideogram'"),
    (
        "engines.yml",
        "url: https://api.ideogram.ai\n      in_flight: 10",
        "url: https://api.ideogram.ai\n      in_flight: 11",
        "in_flight: 11",
        "is 11, want 1 to 10",
    ),
    ("engines.yml", "[describe, remix, upscale]", "[describe, upscale]", None, "may not remix"),
    ("engines.yml", "[describe, remix, upscale]", "[remx]", "remx", "no operation of ideogram 'remx'"),
    (
        "engines.yml",
        "operations: [remix]\n",
        "operations: [remix, upscale]\n",
        None,
        "no operation of stability 'upscale'",
    ),
    ("engines.yml", "https://api.ideogram.ai", "http://api.ideogram.ai", "http:", "the key would travel in the open"),
    ("engines.yml", "https://api.ideogram.ai", "ftp://api.ideogram.ai", "ftp:", "is no address of the web"),
    ("engines.yml", "https://api.ideogram.ai", "api.ideogram.ai", None, "is no address of the web"),
    ("engines.yml", "https://api.ideogram.ai", "https://[", None, "is no address"),
    ("engines.yml", "https://api.ideogram.ai", "https://api.ideogram.ai:x", None, "is no address"),
    ("engines.yml", "https://api.ideogram.ai", "https://api.ideogram.ai:70000", None, "is no address"),
    ("engines.yml", "https://api.ideogram.ai", "http://127.0.0.1.example", None, "the key would travel in the open"),
    ("engines.yml", "https://api.ideogram.ai", "https://key@api.ideogram.ai", None, "keys come from the settings"),
    ("engines.yml", "https://api.ideogram.ai", "https://api.ideogram.ai?key=1", None, "keys come from the settings"),
    ("routing.yml", "use: typeset", "use: typset", "typset", "did you mean 'typeset'"),
    (
        "routing.yml",
        "when: {tag: file-mask}",
        "when: {all: [{tag: text}, {not: {tag: text}}]}",
        "masked-part",
        "excludes itself",
    ),
    (
        "routing.yml",
        "{tag: file-mask}\n    use: sd3.5-large\n",
        "{tag: file-mask}\n    use: typeset\n",
        "masked-part",
        "sends work with a mask to typeset, which cannot use it; use sd3.5-large or sd3.5-medium",
    ),
    (
        "routing.yml",
        "{tag: file-mask}\n    use: sd3.5-large\n",
        "{tag: file-style-reference}\n    use: sd3.5-large\n",
        "masked-part",
        "refuse such work: no engine can",
    ),
    ("routing.yml", "{tag: file-logo}", "{tag: file-lgo}", "file-lgo", "did you mean 'file-logo'"),
    (
        "routing.yml",
        "{field: lane, equals: critical}",
        "{field: lane, equals: critcal}",
        "critcal",
        "did you mean 'critical'",
    ),
    ("routing.yml", "{field: lane, equals", "{field: lne, equals", "lne", "did you mean 'lane'"),
    ("routing.yml", "{field: phrases, gt: 2}", "{field: phrases, above: 2}", "above", "cannot be compared by 'above'"),
    ("routing.yml", "{field: phrases, gt: 2}", "{field: phrases}", None, "want exactly one comparison"),
    ("routing.yml", "{field: phrases, gt: 2}", "{field: phrases, gt: 65}", None, "is 65, want 0 to 64"),
    ("routing.yml", "{field: risk, equals: refused}", "{field: risk, in: []}", None, "lists no value"),
    ("routing.yml", "when: {tag: text}", "when: {all: []}", None, "lists no condition"),
    ("routing.yml", "when: {tag: text}", "when: {tag: text, always: true}", None, "exactly one of"),
    ("routing.yml", "when: {always: true}", "when: {always: false}", None, "a rule that never holds"),
    ("routing.yml", "  - name: lettering\n", "  - name: long-copy\n", None, "'long-copy' stands twice"),
    ("routing.yml", "when: {always: true}", "when: {tag: branded}", None, "can never fire"),
    ("routing.yml", "when: {always: true}", "when: {tag: photoreal}", None, "must take the rest"),
    ("routing.yml", "use: text_specialist", "use: sd3.5-flash", None, "may send wanted text to sd3.5-flash"),
    (
        "routing.yml",
        "  - name: supplied-logo",
        "  - {name: all, when: {always: true}, use: typeset}\n  - name: supplied-logo",
        "supplied-logo",
        "taken by 'all' (line",
    ),
    (
        "failure-modes.yml",
        "caught_by: [size]",
        "caught_by: [sise]",
        "sise",
        "there is no check 'sise' in force, did you mean 'size'",
    ),
    (
        "failure-modes.yml",
        "caught_by: [size]",
        "caught_by: []",
        None,
        "nothing is named that has wrong-size caught by it",
    ),
    (
        "failure-modes.yml",
        "prevented_by: [supplied-logo]",
        "prevented_by: [supplied]",
        None,
        "the routing rule 'supplied-logo' belongs to no failure mode",
    ),
    ("failure-modes.yml", "repaired_by: [client_mend]", "repaired_by: [client]", None, "there is no repair 'client'"),
    (
        "failure-modes.yml",
        "  near-duplicate:",
        "  near-duplicat:",
        None,
        "the check 'duplicate' finds 'near-duplicate'",
    ),
    ("failure-modes.yml", "  wrong-size:", "  Wrong Size:", "Wrong Size", "no name of a failure mode"),
    ("failure-modes.yml", "    title: Another size than was asked for\n", "", "wrong-size", "lacks title"),
    ("verdict.yml", "palette, aesthetic", "palete, aesthetic", "palete", "did you mean 'palette'"),
    (
        "verdict.yml",
        "readers: [rapidocr, ",
        "readers: [tesseract, ",
        "tesseract",
        "there is no text reader 'tesseract'",
    ),
    ("verdict.yml", 'readers: [rapidocr, "rapidocr@640", "rapidocr@curve"]', "readers: []", None, "reads with nothing"),
    ("verdict.yml", "  similar: 0.6\n", "", "text:", "lacks similar"),
    ("verdict.yml", "similar: 0.6", "similar: 7.5", None, "is 7.5, want 0 to 1"),
    ("verdict.yml", "std_max: 3", "std_max: 0.1", None, "is above latents.std_max"),
    ("verdict.yml", "check: logo", "check: lgo", None, "no review check 'lgo'"),
    ("verdict.yml", "mode: logo-damage", "mode: logo-damge", "logo-damge", "did you mean 'logo-damage'"),
    ("ladder.yml", "safer_sampling, text_region", "text_region, safer_sampling", None, "out of order"),
    ("ladder.yml", "safer_sampling, text_region", "safer_sampling", None, "text_region stands in one of repairs and"),
    ("ladder.yml", "  share_max: 0.4\n", "", "text_region:", "lacks share_max"),
    ("ladder.yml", "strength: 0.95", "strength: 0", None, "is 0, want 0.05 to 1"),
    ("ladder.yml", "typeset, human, ", "typeset, ", None, "no step leads to a person"),
    ("ladder.yml", "max_cost_usd: 0.5", "max_cost_usd: cheap", None, "want a number"),
    ("ladder.yml", "timeout: render-failed", "timeout: render-faild", None, "did you mean 'render-failed'"),
    ("ladder.yml", "  timeout: render-failed\n", "", None, "lacks timeout"),
    ("pipeline.yml", "ideogram-check", "reading-check", None, "names no specialist"),
    ("sanity.yml", "prompt_max_chars: 4000", "prompt_max_chars: 0", None, "want 1 to 20000"),
    ("sanity.yml", "  stylised:\n", "  text:\n", None, "found in another way"),
    ("sanity.yml", "  stylised:\n", "  Stylised:\n", None, "is no tag name"),
    (
        "sanity.yml",
        "    reason: The prompt asks for gore or cruelty; describe it without.\n",
        "",
        None,
        "gives no reason",
    ),
    ("sanity.yml", "first: no-text", "first: no-txt", "no-txt", "did you mean 'no-text'"),
    ("sanity.yml", "words: [logo, logos, logotype*, emblem*, brand mark*, crest]", "words: []", None, "lists no word"),
    (
        "sanity.yml",
        "other_text_tags: [incidental-text]",
        "other_text_tags: [incidental]",
        None,
        "did you mean 'incidental-text'",
    ),
    ("brands/halden-outdoor.yml", '"#20302a"', '"#20302A"', None, "is no colour"),
    (
        "brands/halden-outdoor.yml",
        "name: Halden Outdoor",
        "nme: Halden Outdoor",
        None,
        "unknown key 'nme'; did you mean 'name'",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "line_holds", "needle"), WRONG, ids=[w[4][:50] for w in WRONG])
def test_what_is_wrong_is_refused_with_file_line_and_mend(
    file: str, old: str, new: str, line_holds: str | None, needle: str
):
    files = changed(file, old, new)
    with pytest.raises(BadConfig) as caught:
        load_ruleset(files)
    assert needle in str(caught.value)
    assert caught.value.file
    assert caught.value.line is not None
    if line_holds is not None:
        assert line_holds in files[caught.value.file].splitlines()[caught.value.line - 1]


def test_a_brand_file_is_named_by_its_id():
    with pytest.raises(BadConfig, match="is no brand id"):
        load_ruleset({**config(), "brands/Big Brand.yml": "name: x\npalette: []\ndelta_e_limit: 5\n"})


def test_a_brand_may_leave_out_its_lists():
    files = {**config(), "brands/plain.yml": "name: Plain\npalette: []\ndelta_e_limit: 5\n"}
    assert load_ruleset(files).brands["plain"].own_names == ()


@pytest.mark.parametrize(
    ("file", "text", "needle"),
    [
        ("engines.yml", "engines: {}\n", "names no engine"),
        ("routing.yml", "rules: []\n", "has 0 rules"),
        ("pipeline.yml", "pipeline: []\n", "lacks prefilter, primary_generator, text_validator, scorer"),
    ],
)
def test_empty_files_say_what_is_missing(file: str, text: str, needle: str):
    with pytest.raises(BadConfig, match=needle):
        load_ruleset({**config(), file: text})


def test_stages_keep_their_order():
    lines = PIPELINE.splitlines()
    swapped = "\n".join([lines[0], lines[2], lines[1], *lines[3:]])
    with pytest.raises(BadConfig, match=r"pipeline\.yml:3: .*prefilter comes too late"):
        load_ruleset({**config(), "pipeline.yml": swapped})


def test_the_catalogue_lists_all_that_is_missing_at_once():
    files = changed("failure-modes.yml", "caught_by: [size]", "caught_by: [sise]")
    files["failure-modes.yml"] = files["failure-modes.yml"].replace("repaired_by: [client_mend]", "repaired_by: []")
    with pytest.raises(BadConfig) as caught:
        load_ruleset(files)
    said = str(caught.value)
    assert "'sise'" in said
    assert "unsafe-prompt repaired by" in said
    assert "the check 'size' belongs to no failure mode" in said


def test_a_ladder_without_typeset_or_specialist_needs_neither():
    files = {
        name: text.replace("text_specialist, typeset, ", "").replace("typeset, human", "human")
        for name, text in config().items()
        if name in {"ladder.yml", "failure-modes.yml"}
    }
    routing = config()["routing.yml"].replace("use: text_specialist", "use: ideogram-v1")
    pipeline = PIPELINE.replace("ideogram-check", "reading-check")
    files["ladder.yml"] = re.sub(r"text_region, |^text_region:\n(  .*\n)*", "", files["ladder.yml"], flags=re.MULTILINE)
    failure_modes = re.sub("text_specialist, |typeset, |text_region, ", "", files["failure-modes.yml"])
    rules = load_ruleset(
        {
            **config(),
            **files,
            "failure-modes.yml": failure_modes,
            "routing.yml": routing,
            "pipeline.yml": pipeline,
        }
    )
    assert rules.ladder.rungs == (Rung.SAFER_SAMPLING, Rung.HUMAN)
    assert rules.ladder.region is None
    wrong = inspection(read("FRXSH COFFEE"))
    request = routed(job("a poster “FRESH COFFEE”"), rules)
    event = ImageInspected(
        event_id=request.job.job_id, at_ms=1, request=request, rendering=rendering(), inspection=wrong
    )
    assert isinstance(on_inspected(event, rules, {}, 2), ReviewRequested)


def test_a_typeset_step_needs_its_engine():
    engines = config()["engines.yml"].replace("  typeset:\n", "  type-set:\n")
    with pytest.raises(BadConfig, match="typeset is a step, and no engine has that id"):
        load_ruleset({**config(), "engines.yml": engines})


@pytest.mark.parametrize("name", UNSUITED)
def test_a_scheduler_that_does_not_suit_is_refused_with_the_reason(name: str):
    large = ruleset().engines["sd3.5-large"]
    forced = SamplingPreset(scheduler=name, steps=28, guidance=3.5)
    assert UNSUITED[name] in str(large.refuses_sampling(forced))
    with pytest.raises(BadConfig, match=f"{name} is not allowed: {UNSUITED[name]}"):
        load_ruleset(changed("engines.yml", "FlowMatchHeunDiscreteScheduler: {", f"{name}: {{"))


def test_another_model_of_a_kind_we_load_is_a_profile_and_no_code():
    engines = config()["engines.yml"]
    start, end = engines.index("  sd3.5-medium:"), engines.index("  sd3.5-flash:")
    own = engines[start:end].replace("  sd3.5-medium:", "  our-finetune:").replace("stabilityai/", "our-team/")
    rules = load_ruleset({**config(), "engines.yml": engines[:end] + own + engines[end:]})
    assert rules.engines["our-finetune"].model == "our-team/stable-diffusion-3.5-medium"
    assert routed(job("a lighthouse", engine="our-finetune"), rules).engine == "our-finetune"


def test_profiles_know_sizes_prices_and_presets():
    large = ruleset().engines["sd3.5-large"]
    assert (large.max_batch(512, 512), large.max_batch(1024, 1024), large.max_batch(2048, 2048)) == (16, 4, 0)
    assert large.max_pixels == 1638400
    assert large.preset(Preset.SAFE).steps > large.preset(Preset.STANDARD).steps
    assert large.cost_usd(1000) == pytest.approx(0.0011)
    assert large.expected_cost_usd == pytest.approx(0.0066)
    assert large.refuses_sampling(SamplingPreset(scheduler="PNDMScheduler", steps=28, guidance=3.5))
    for steps, guidance, said in ((61, 3.5, "takes 8 to 60 steps, not 61"), (28, 7.5, "a guidance of 1 to 7, not 7.5")):
        forced = SamplingPreset(scheduler=large.standard.scheduler, steps=steps, guidance=guidance)
        assert said in str(large.refuses_sampling(forced))
    assert large.refuses_size(1000, 1000) == (
        "sd3.5-large renders multiples of 16 pixels, not 1000 x 1000; ask for 992 x 992"
    )
    assert "up to 1638400 pixels" in str(large.refuses_size(4096, 4096))
    assert ruleset().ladder.failures[FailureKind.CORRUPT_OUTPUT] == "corrupt-bytes"


def test_a_hosted_engine_without_roles_needs_no_operation():
    ideogram = config()["engines.yml"].replace("      operations: [describe, remix, upscale]\n", "")
    start = ideogram.index("  ideogram-v1:")
    end = ideogram.index("  typeset:")
    ideogram = ideogram[:start] + ideogram[start:end].replace("[init_image]", "[]") + ideogram[end:]
    assert load_ruleset({**config(), "engines.yml": ideogram}).engines["ideogram-v1"].hosted == Hosted(
        api=HostedApi.IDEOGRAM, model="V_1", url="https://api.ideogram.ai", in_flight=10
    )
    masked = changed("engines.yml", "https://api.ideogram.ai", "https://api.ideogram.ai/")["engines.yml"]
    at = masked.index("  ideogram-v1:")
    masked = masked[:at] + masked[at:].replace("[init_image]", "[init_image, mask]", 1)
    with pytest.raises(BadConfig, match="takes files as mask, which ideogram cannot use"):
        load_ruleset({**config(), "engines.yml": masked})


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:1", "[::1]:9"])
def test_a_server_on_this_machine_needs_no_encryption(host: str):
    files = changed("engines.yml", "https://api.ideogram.ai", f"http://{host}/")
    hosted = load_ruleset(files).engines["ideogram-v1"].hosted
    assert hosted is not None
    assert hosted.url == f"http://{host}"


def test_profiles_say_what_a_worker_must_know_to_load_and_to_call():
    engines = ruleset().engines
    large, flash, typeset = engines["sd3.5-large"], engines["sd3.5-flash"], engines["typeset"]
    assert large.prompt_limits == {"clip_l": 77, "clip_g": 77, "t5": 256}
    assert (large.edits, flash.edits, large.loading) == (True, False, Loading())
    # Two backends behind one profile: weights of one's own, whose revision nobody can know here, and the API.
    assert (flash.kind, flash.revision) == (EngineKind.SD3, "")
    assert flash.hosted is not None
    assert flash.hosted.api is HostedApi.STABILITY
    assert (typeset.art, typeset.revision, typeset.hosted) == ("sd3.5-large", "", None)
    for engine in engines.values():
        assert engine.licence
        assert engine.kind is not EngineKind.SD3 or len(engine.revision) in {0, 40}
    loaded = load_ruleset(
        changed("engines.yml", "    edits: true\n", "    loading: {offload: model, quantise: nf4, compile: true}\n")
    ).engines["sd3.5-large"]
    assert loaded.loading == Loading(offload=Offload.MODEL, quantise=Quantise.NF4, compile=True)
    assert (
        load_ruleset(changed("engines.yml", "    edits: true\n", "    loading: {}\n")).engines["sd3.5-large"].loading
        == Loading()
    )
