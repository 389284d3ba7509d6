"""Settings: read once from PRESSCHECK_* variables, over what a running embedded stack wrote down."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from schemas.errors import BadConfig

PREFIX = "PRESSCHECK_"
ENDPOINTS_FILE = "endpoints.json"
"""In the state folder: the settings that the embedded stack chose (ports, folders), for other commands."""


class Settings(BaseModel):
    """All settings. Each is the variable PRESSCHECK_ and its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state_dir: Path = Field(Path(".presscheck"), description="Folder of the embedded stack: data, logs, endpoints.")
    config_dir: Path = Field(Path("config"), description="Folder with pipeline.yml and what it names.")

    kafka_bootstrap: str = Field("", description="host:port,… of an external Kafka; empty starts the embedded one.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to speak to Kafka."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How to log in, where the protocol is SASL."
    )
    kafka_sasl_username: str = Field("", description="User name for SASL.")
    kafka_sasl_password: SecretStr = Field(SecretStr(""), description="Password for SASL.")
    kafka_ssl_ca_file: Path | None = Field(None, description="PEM of the authority that signed the brokers' keys.")
    kafka_ssl_cert_file: Path | None = Field(None, description="PEM of our own certificate, for mutual TLS.")
    kafka_ssl_key_file: Path | None = Field(None, description="PEM of our own key, for mutual TLS.")
    kafka_replication_factor: int = Field(1, ge=1, le=9, description="Replicas of topics that are created.")

    schema_registry_url: str = Field("", description="Schema Registry; empty takes ids from the lock file.")

    database_url: SecretStr = Field(
        SecretStr(""), description="postgresql://… of an external Postgres; empty starts the embedded one."
    )

    store_url: str = Field("", description="file:///… or s3://bucket/prefix (gs://, az://); empty is in state_dir.")
    store_s3_endpoint: str = Field("", description="S3-compatible endpoint, for example a MinIO.")
    store_s3_region: str = Field("us-east-1", description="Region of the bucket.")
    store_s3_access_key_id: str = Field("", description="Access key of the store.")
    store_s3_secret_access_key: SecretStr = Field(SecretStr(""), description="Secret key of the store.")

    engines: tuple[str, ...] = Field(
        (), description="Engines that render workers here serve; empty: those this machine can run."
    )
    models_dir: Path | None = Field(
        None, description="Folder with model weights, by the profile's model name; empty: `models` in state_dir."
    )
    device: Literal["auto", "cuda", "cpu"] = Field(
        "auto", description="Where weights run: the GPU if there is one, or cpu (slow, for small models and tests)."
    )
    hf_endpoint: str = Field("https://huggingface.co", description="Hub that `engines fetch` downloads weights from.")
    hf_token: SecretStr = Field(SecretStr(""), description="Token for the hub, where a licence must be accepted first.")
    hf_token_file: Path | None = Field(None, description="File with that token, in place of the token itself.")
    ideogram_api_key: SecretStr = Field(SecretStr(""), description="Key of the Ideogram API.")
    ideogram_api_key_file: Path | None = Field(None, description="File with that key, in place of the key itself.")
    stability_api_key: SecretStr = Field(SecretStr(""), description="Key of the Stability API.")
    stability_api_key_file: Path | None = Field(None, description="File with that key, in place of the key itself.")
    vision_url: str = Field(
        "", description="Base of an OpenAI-compatible API that looks at pictures, as https://host/v1; empty: none."
    )
    vision_model: str = Field("", max_length=200, description="Model there that takes pictures.")
    vision_api_key: SecretStr = Field(SecretStr(""), description="Key of that API; empty sends none.")
    vision_api_key_file: Path | None = Field(None, description="File with that key, in place of the key itself.")
    vision_ca_file: Path | None = Field(
        None, description="PEM of the authority that signed its certificate; unset: the public ones."
    )
    vision_timeout_s: float = Field(
        60, gt=0, le=600, description="Longest wait for one answer, seconds; each of up to three tries takes a quarter."
    )
    vision_max_side_px: int = Field(
        1280, ge=256, le=4096, description="Longer side at which pictures are sent there, pixels."
    )
    vision_answer: Literal["json_schema", "json_object", "text"] = Field(
        "json_schema", description="What `response_format` asks for; text sends none, for servers that know none."
    )
    vision_seed: int = Field(0, ge=-1, le=2**31 - 1, description="Seed that is sent there; -1 sends none.")
    vision_plain_http: bool = Field(
        default=False, description="Allow http to private addresses; to this machine it is always allowed."
    )
    upscaler: Path | None = Field(
        None, description="Weights that enlarge pictures, a file that spandrel loads; unset: Lanczos."
    )
    aesthetic_weights: Path | None = Field(
        None,
        description="Folder with a CLIP model and head.safetensors that rank assets; unset: plain statistics do.",
    )
    c2pa_cert_file: Path | None = Field(
        None, description="PEM of the certificate that content credentials are signed with, its chain behind it."
    )
    c2pa_key_file: Path | None = Field(None, description="PEM of its private key (EC P-256, for ES256).")
    c2pa_development_key: bool = Field(
        default=False, description="Without such files, sign with a key made in state_dir, labelled as such."
    )
    fonts_dir: Path | None = Field(
        None, description="Folder with a team's own fonts (.ttf, .otf, .ttc), for characters the others lack."
    )
    stand_in: bool = Field(
        default=True, description="Let the simulator stand in for engines of the ruleset that nobody serves."
    )

    batch_wait_s: float = Field(0.01, ge=0, le=60, description="Longest wait to fill a render batch, seconds.")
    swap_wait_s: float = Field(
        20, ge=0, le=3600, description="How long jobs of the loaded engine go before one of another, seconds."
    )
    vram_budget_gb: float | None = Field(
        None, gt=0, description="GPU memory that loaded engines may fill, GB; unset: all but a fifth, or all but 6 GB."
    )
    inspect_threads: int | None = Field(
        None, ge=1, le=64, description="Cores of one inspect process; unset: all. Several on a machine share them out."
    )
    max_attempt_age_s: float = Field(
        600, gt=0, description="A render call that takes longer ends its process, as a time-out."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_json: bool | None = Field(None, description="JSON log lines; unset: when standard error is no terminal.")

    @property
    def store_location(self) -> str:
        """Where artifacts lie: the URL given, or a folder in the state folder."""
        return self.store_url or (self.state_dir.absolute() / "store").as_uri()

    @property
    def models_location(self) -> Path:
        """Where weights lie: the folder given, or one in the state folder."""
        return self.models_dir or self.state_dir / "models"


def load(state_dir: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment, over the endpoints that a stack in the state folder wrote.

    Raises BadConfig naming the variable where a value is wrong or a PRESSCHECK_ variable is unknown.
    """
    env = os.environ if environ is None else environ
    given = {k.removeprefix(PREFIX).lower(): v for k, v in env.items() if k.startswith(PREFIX)}
    folder = state_dir or Path(given.get("state_dir", ".presscheck"))
    endpoints = folder / ENDPOINTS_FILE
    written: dict[str, object] = json.loads(endpoints.read_text(encoding="utf-8")) if endpoints.exists() else {}
    merged: dict[str, object] = {**written, **given, "state_dir": folder}
    if isinstance(engines := merged.get("engines"), str):
        merged["engines"] = tuple(e.strip() for e in engines.split(",") if e.strip())
    try:
        return _with_keys(Settings.model_validate(merged))
    except ValidationError as e:
        first = e.errors()[0]
        name = PREFIX + "_".join(str(p) for p in first["loc"]).upper()
        known = ", ".join(PREFIX + n.upper() for n in Settings.model_fields)
        mend = f"known are {known}" if first["type"] == "extra_forbidden" else "see docs/settings.md"
        raise BadConfig(f"{name}: {first['msg']}", mend=mend) from None


def _with_keys(settings: Settings) -> Settings:
    """The settings with the keys read that lie in files. Raises BadConfig naming the variable, never the key."""
    read: dict[str, SecretStr] = {}
    for name, given, path in (
        ("HF_TOKEN", settings.hf_token, settings.hf_token_file),
        ("IDEOGRAM_API_KEY", settings.ideogram_api_key, settings.ideogram_api_key_file),
        ("STABILITY_API_KEY", settings.stability_api_key, settings.stability_api_key_file),
        ("VISION_API_KEY", settings.vision_api_key, settings.vision_api_key_file),
    ):
        variable, key = PREFIX + name, given.get_secret_value()
        if path is not None:
            if key:
                raise BadConfig(f"{variable} and {variable}_FILE are both set", mend="keep one of them")
            variable += "_FILE"
            try:
                key = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as e:
                raise BadConfig(f"{variable}: {path} cannot be read ({type(e).__name__})") from None
            if not key:
                raise BadConfig(f"{variable}: {path} is empty", mend="put the key into it, or leave the variable away")
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise BadConfig(f"{variable} holds characters that no key has", mend="copy the key again")
        read[name.lower()] = SecretStr(key)
    return settings.model_copy(update=read)
