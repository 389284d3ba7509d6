"""Settings: read once, refused by name, and never in silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from broker.settings import ENDPOINTS_FILE, PREFIX, Settings, load
from ops.settings_docs import PAGE, page
from schemas.errors import BadConfig


def test_nothing_said_is_the_embedded_stack(tmp_path: Path):
    settings = load(tmp_path, environ={})
    assert settings.kafka_bootstrap == ""
    assert settings.state_dir == tmp_path
    assert settings.store_location == (tmp_path / "store").as_uri()


def test_the_environment_goes_before_what_a_stack_wrote(tmp_path: Path):
    written = {"kafka_bootstrap": "127.0.0.1:1", "database_url": "postgresql://127.0.0.1:2/presscheck"}
    (tmp_path / ENDPOINTS_FILE).write_text(json.dumps(written), encoding="utf-8")
    settings = load(environ={"PRESSCHECK_STATE_DIR": str(tmp_path), "PRESSCHECK_KAFKA_BOOTSTRAP": "broker:9092"})
    assert settings.kafka_bootstrap == "broker:9092"
    assert settings.database_url.get_secret_value() == "postgresql://127.0.0.1:2/presscheck"
    assert settings.state_dir == tmp_path


def test_a_folder_given_goes_before_the_environment(tmp_path: Path):
    assert load(tmp_path, environ={"PRESSCHECK_STATE_DIR": "elsewhere"}).state_dir == tmp_path


def test_variables_of_others_are_left_alone(tmp_path: Path):
    assert load(tmp_path, environ={"PATH": "x", "KAFKA_BOOTSTRAP": "y"}) == load(tmp_path, environ={})


def test_engines_are_a_list(tmp_path: Path):
    assert load(tmp_path, environ={"PRESSCHECK_ENGINES": "typeset, sd3.5-large,"}).engines == ("typeset", "sd3.5-large")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("KAFKA_BOOTSTRAPS", "x", "PRESSCHECK_KAFKA_BOOTSTRAPS: .*known are .*PRESSCHECK_KAFKA_BOOTSTRAP"),
        ("KAFKA_REPLICATION_FACTOR", "0", "PRESSCHECK_KAFKA_REPLICATION_FACTOR: .*greater than or equal to 1"),
        ("BATCH_WAIT_S", "soon", "PRESSCHECK_BATCH_WAIT_S: .*valid number.*see docs/settings.md"),
        ("LOG_LEVEL", "loud", "PRESSCHECK_LOG_LEVEL: .*'debug', 'info', 'warning' or 'error'"),
        ("STAND_IN", "perhaps", "PRESSCHECK_STAND_IN: .*boolean"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(tmp_path: Path, name: str, value: str, why: str):
    with pytest.raises(BadConfig, match=why):
        load(tmp_path, environ={PREFIX + name: value})


def test_secrets_are_not_shown(tmp_path: Path):
    settings = load(
        tmp_path,
        environ={
            "PRESSCHECK_KAFKA_SASL_PASSWORD": "hunter2",
            "PRESSCHECK_DATABASE_URL": "postgresql://ann:hunter2@db/presscheck",
            "PRESSCHECK_STORE_S3_SECRET_ACCESS_KEY": "hunter2",
            "PRESSCHECK_IDEOGRAM_API_KEY": "hunter2",
            "PRESSCHECK_STABILITY_API_KEY": "hunter2",
        },
    )
    assert "hunter2" not in repr(settings) + str(settings)


@pytest.mark.parametrize("api", ["ideogram", "stability"])
def test_a_key_may_lie_in_a_file(tmp_path: Path, api: str):
    file = tmp_path / "key"
    file.write_text("sk-hunter2\n", encoding="utf-8")
    variable = f"{PREFIX}{api.upper()}_API_KEY"
    settings = load(tmp_path, environ={f"{variable}_FILE": str(file)})
    assert getattr(settings, f"{api}_api_key").get_secret_value() == "sk-hunter2"
    assert "hunter2" not in repr(settings) + str(settings)
    with pytest.raises(BadConfig, match=f"{variable} and {variable}_FILE are both set"):
        load(tmp_path, environ={f"{variable}_FILE": str(file), variable: "sk-hunter3"})
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(BadConfig, match=f"{variable}_FILE: .* is empty"):
        load(tmp_path, environ={f"{variable}_FILE": str(file)})
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(BadConfig, match=f"{variable}_FILE: .* cannot be read"):
        load(tmp_path, environ={f"{variable}_FILE": str(file)})
    with pytest.raises(BadConfig, match=f"{variable}_FILE: .* cannot be read"):
        load(tmp_path, environ={f"{variable}_FILE": str(tmp_path / "none")})
    with pytest.raises(BadConfig, match=f"{variable} holds characters that no key has") as caught:
        load(tmp_path, environ={variable: "sk hunter2"})
    assert "hunter2" not in repr(caught.value) + str(caught.value)


def test_settings_are_frozen(tmp_path: Path):
    with pytest.raises(ValidationError, match="frozen"):
        load(tmp_path, environ={}).kafka_bootstrap = "other:9092"  # pyright: ignore[reportAttributeAccessIssue]


def test_the_page_is_fresh_and_names_every_setting():
    assert PAGE.read_text(encoding="utf-8") == page(), "run make docs"
    assert all(f"`{PREFIX}{name.upper()}`" in page() for name in Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())
