"""Content credentials: what they say, that they hold, and that no key leaves its file."""

from __future__ import annotations

import datetime as dt
import re
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from PIL import Image, PngImagePlugin

from broker.settings import Settings
from rules.engines import EngineKind, Hosted, HostedApi
from schemas.errors import BadConfig, Poison
from schemas.events import FileRole, ImageFormat
from tests import renders
from tests.unit.finish import orders
from workers.checks.decode import decode
from workers.checks.port import Decoded
from workers.finish.claim import ALGORITHMIC, COMPOSITE, MIXED, TRAINED
from workers.finish.credentials import Credentials, open_signer, read_credentials, signer_of
from workers.finish.development_key import RENEW, VALID, KeyFiles, development_key
from workers.finish.port import Finished, Order

NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
SIGNED = ("content-credentials",)


def finished(order: Order) -> tuple[Finished, Credentials]:
    """The picture, and what is read back from it."""
    done = orders.finisher()(order)
    read = read_credentials(done.data, done.media_type)
    assert read is not None
    return done, read


def actions(read: Credentials) -> list[dict[str, Any]]:
    (found,) = (a for a in read.manifest["assertions"] if a["label"].startswith("c2pa.actions"))
    return found["data"]["actions"]


def named(read: Credentials) -> list[str]:
    return [a["action"] for a in actions(read)]


def relations(read: Credentials) -> dict[str, str]:
    return {i["title"]: i["relationship"] for i in read.manifest["ingredients"]}


@pytest.mark.parametrize("form", list(ImageFormat))
def test_a_picture_says_what_made_it_and_its_credentials_hold(form: ImageFormat) -> None:
    done, read = finished(orders.order(orders.art(), steps=SIGNED, form=form))
    assert read.state == "Valid"
    assert isinstance(decode(done.data), Decoded)
    made = actions(read)[0]
    assert made["action"] == "c2pa.created"
    assert made["digitalSourceType"] == TRAINED
    assert made["softwareAgent"] == {"name": "maker/model", "version": "abc123"}
    assert read.manifest["claim_generator_info"][0]["name"] == "Presscheck"
    assert read.manifest["label"] == done.facts["content-credentials.manifest"]
    assert "thumbnail" not in read.manifest
    assert len(done.data) - len(orders.finisher()(orders.order(orders.art(), form=form)).data) < 20_000


def test_what_finishing_did_is_said_in_order() -> None:
    _, read = finished(orders.order(orders.art(), steps=orders.BOTH, upscale=2, form=ImageFormat.JPEG))
    assert named(read) == ["c2pa.created", "c2pa.color_adjustments", "c2pa.resized", "c2pa.converted"]
    assert "2 times, to 512 x 512, with Lanczos" in actions(read)[2]["description"]
    _, plain = finished(orders.order(orders.art(), steps=SIGNED))
    assert named(plain) == ["c2pa.created"]


def test_a_key_for_development_says_so_wherever_it_is_read() -> None:
    done, read = finished(orders.order(orders.art(), steps=SIGNED))
    assert read.signer == "Presscheck development key (Presscheck development)"
    assert "a development key" in done.facts["content-credentials"]
    assert "read back: Valid" in done.facts["content-credentials"]


def test_a_simulator_that_stands_in_signs_as_itself() -> None:
    _, read = finished(orders.order(orders.art(), steps=SIGNED, backend="simulator"))
    made = actions(read)[0]
    assert made["digitalSourceType"] == ALGORITHMIC
    assert made["softwareAgent"]["name"] == "Presscheck simulator"
    assert "maker/model" not in str(read.manifest)


@pytest.mark.parametrize(
    ("facts", "source", "said"),
    [
        ({}, ALGORITHMIC, "text set over drawn art"),
        ({"art": "drawn", "art_why": "nobody paints here"}, ALGORITHMIC, "text set over drawn art"),
        ({"art": "init_image"}, MIXED, "text set over the client's own picture"),
        ({"art": "sd3.5-large", "art_model_digest": "d1"}, COMPOSITE, "text set over art by sd3.5-large, d1"),
    ],
)
def test_typeset_says_what_its_text_stands_on(facts: dict[str, str], source: str, said: str) -> None:
    order = orders.order(orders.art(), steps=SIGNED, backend="typeset", profile=renders.profile(EngineKind.TYPESET))
    _, read = finished(replace(order, rendered=replace(order.rendered, facts=facts)))
    made = actions(read)[0]
    assert (made["digitalSourceType"], made["description"]) == (source, said)
    assert made["softwareAgent"]["name"] == "Presscheck typeset"


def test_a_hosted_engine_is_named_by_its_hosts_model() -> None:
    hosted = Hosted(api=HostedApi.IDEOGRAM, model="V_1", url="https://example.invalid", in_flight=1)
    profile = replace(renders.profile(EngineKind.HTTP), hosted=hosted)
    _, read = finished(orders.order(orders.art(), steps=SIGNED, backend="ideogram", profile=profile))
    assert actions(read)[0]["softwareAgent"]["name"] == "V_1"


def test_files_are_ingredients_by_what_they_were_for() -> None:
    files = {
        renders.file_ref(data := orders.encoded(Image.new("RGB", (8, 8), level)), role, f"{role.value}.png"): data
        for role, level in zip(
            (FileRole.LOGO, FileRole.STYLE_REFERENCE, FileRole.COLOUR_MASK), ("red", "green", "white"), strict=True
        )
    }
    done, read = finished(orders.order(orders.art(), steps=SIGNED, files=files))
    assert relations(read) == {
        "logo.png (logo)": "componentOf",
        "style_reference.png (style reference)": "inputTo",
    }
    assert named(read) == ["c2pa.created", "c2pa.placed"]
    assert len(actions(read)[0]["parameters"]["ingredients"]) == 1
    assert "logo.png (logo): componentOf" in done.facts["content-credentials.ingredients"]


def test_an_init_image_is_the_parent() -> None:
    data = orders.encoded(orders.art((64, 64)))
    files = {renders.file_ref(data, FileRole.INIT_IMAGE, "before.png"): data}
    layout = b'{"boxes": []}'
    files[replace(renders.file_ref(layout, FileRole.LAYOUT, "grid.json"), media_type="application/json")] = layout
    _, read = finished(orders.order(orders.art(), steps=SIGNED, files=files))
    assert relations(read) == {"before.png (init image)": "parentOf", "grid.json (layout)": "inputTo"}
    assert named(read) == ["c2pa.opened", "c2pa.edited"]
    assert actions(read)[1]["digitalSourceType"] == COMPOSITE


def test_a_mended_picture_carries_the_credentials_of_the_attempt_before() -> None:
    first, before = finished(orders.order(orders.art(), steps=SIGNED))
    init = orders.encoded(orders.art((64, 64)))
    files = {renders.file_ref(init, FileRole.INIT_IMAGE, "init.png"): init}
    done, read = finished(orders.order(orders.art(), steps=SIGNED, source=first.data, files=files))
    assert relations(read) == {"the attempt before": "parentOf", "init.png (init image)": "inputTo"}
    assert before.manifest["label"].encode() in done.data


def test_a_file_that_is_no_picture_is_left_out_and_a_fact_says_so() -> None:
    files = {renders.file_ref(b"garbage", name="logo.png"): b"garbage"}
    done, read = finished(orders.order(orders.art(), steps=SIGNED, files=files))
    assert read.state == "Valid"
    assert named(read) == ["c2pa.created"]
    assert done.facts["content-credentials.left_out"].startswith("logo.png (logo): ")


def test_nothing_is_fetched_from_an_address_that_a_clients_file_names() -> None:
    with socket.socket() as host:
        host.bind(("127.0.0.1", 0))
        host.listen()
        host.setblocking(False)
        where = f"http://127.0.0.1:{host.getsockname()[1]}/manifest.c2pa"
        tags = PngImagePlugin.PngInfo()
        tags.add_itxt(
            "XML:com.adobe.xmp",
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/"'
            f' dcterms:provenance="{where}"/></rdf:RDF></x:xmpmeta>',
        )
        data = orders.encoded(Image.new("RGB", (8, 8)), pnginfo=tags)
        finished(orders.order(orders.art(), steps=SIGNED, files={renders.file_ref(data): data}))
        with pytest.raises(BlockingIOError):
            host.accept()


def test_a_changed_pixel_breaks_the_credentials() -> None:
    done, _ = finished(orders.order(orders.art(), steps=SIGNED))
    changed = bytearray(done.data)
    changed[len(changed) // 2] ^= 1
    read = read_credentials(bytes(changed), "image/png")
    assert read is not None
    assert read.state == "Invalid"


def test_a_picture_without_credentials_has_none() -> None:
    assert read_credentials(orders.encoded(orders.art()), "image/png") is None
    with pytest.raises(Poison, match="cannot be read"):
        read_credentials(b"garbage", "image/png")


def test_four_threads_sign_at_once() -> None:
    finisher, order = orders.finisher(), orders.order(orders.art(), steps=SIGNED)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(finisher, [order] * 24))
    assert len({m.facts["content-credentials.manifest"] for m in made}) == 24
    assert len({m.picture_sha256 for m in made}) == 1


def test_no_key_is_in_a_picture_a_fact_a_repr_or_an_error(tmp_path: Path) -> None:
    files = orders.key_files()
    lines = [line for line in files.key.read_text().splitlines() if not line.startswith("-")]
    done, _ = finished(orders.order(orders.art(), steps=orders.BOTH))
    spoilt = tmp_path / "key.pem"
    spoilt.write_text(files.key.read_text().replace(lines[1], lines[1][::-1]))
    with pytest.raises(BadConfig) as wrong:
        open_signer(KeyFiles(cert=files.cert, key=spoilt))
    said = f"{done.facts} {orders.finisher()} {wrong.value} {wrong.value.__cause__!r}".encode() + done.data
    der = serialization.load_pem_private_key(files.key.read_bytes(), None)
    assert isinstance(der, ec.EllipticCurvePrivateKey)
    secret = der.private_numbers().private_value.to_bytes(32, "big")
    assert secret not in said
    for line in lines:
        assert line.encode() not in said
        assert line[::-1].encode() not in said


def test_the_development_key_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    files = development_key(tmp_path, NOW)
    made = files.key.read_bytes()
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.key.parent.stat().st_mode) == 0o700
    assert development_key(tmp_path, NOW + VALID - RENEW - dt.timedelta(days=1)) == files
    assert files.key.read_bytes() == made
    assert [p.name for p in tmp_path.iterdir()] == ["credentials"]
    leaf = x509.load_pem_x509_certificate(files.cert.read_bytes())
    assert "development" in leaf.subject.rfc4514_string()
    assert "BEGIN CERTIFICATE" in files.cert.read_text().partition("END CERTIFICATE")[2]


def test_a_development_key_that_is_about_to_end_is_replaced(tmp_path: Path) -> None:
    made = development_key(tmp_path, NOW).key.read_bytes()
    assert development_key(tmp_path, NOW + VALID - RENEW).key.read_bytes() != made
    assert [p.name for p in tmp_path.iterdir()] == ["credentials"]


@pytest.mark.parametrize("half", ["certificate.pem", "key.pem"])
def test_a_development_key_that_was_cut_off_is_replaced(half: str, tmp_path: Path) -> None:
    made = development_key(tmp_path, NOW).key.read_bytes()
    (tmp_path / "credentials" / half).write_bytes(b"-----BEGIN ")
    assert open_signer(development_key(tmp_path, NOW), lambda: NOW).development
    assert development_key(tmp_path, NOW).key.read_bytes() != made


@pytest.mark.parametrize("before", [False, True])
def test_processes_that_make_or_replace_it_at_once_get_one_key(before: bool, tmp_path: Path) -> None:
    if before:
        development_key(tmp_path, NOW - VALID)
    with ThreadPoolExecutor(8) as pool:
        files = list(pool.map(development_key, [tmp_path] * 8, [NOW] * 8))
        made = {f.key.read_bytes() for f in files}
    assert len(made) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["credentials"]


def settings(folder: Path, **given: object) -> Settings:
    return Settings.model_validate({"state_dir": folder, **given})


def test_the_settings_name_the_key(tmp_path: Path) -> None:
    assert signer_of(settings(tmp_path)) is None
    made = signer_of(settings(tmp_path, c2pa_development_key=True))
    assert made is not None
    assert made.development
    files = orders.key_files()
    given = signer_of(settings(tmp_path, c2pa_cert_file=files.cert, c2pa_key_file=files.key))
    assert given is not None
    with pytest.raises(BadConfig, match="go together"):
        signer_of(settings(tmp_path, c2pa_cert_file=files.cert))


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (pem(ec.generate_private_key(ec.SECP256R1())), "is not the key of the first certificate"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "is no key for ES256"),
        (pem(rsa.generate_private_key(65537, 2048)), "is no key for ES256"),
        (b"nothing", "is no private key in PEM"),
    ],
)
def test_a_key_that_does_not_fit_is_refused(tmp_path: Path, key: bytes, said: str) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(key)
    with pytest.raises(BadConfig, match=re.escape(said)):
        open_signer(KeyFiles(cert=orders.key_files().cert, key=path))


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    files = orders.key_files()
    with pytest.raises(BadConfig, match="is no certificate in PEM"):
        open_signer(KeyFiles(cert=files.key, key=files.key))
    with pytest.raises(BadConfig, match="cannot be read"):
        open_signer(KeyFiles(cert=tmp_path / "none.pem", key=files.key))


def test_a_certificate_that_ended_is_refused_at_the_start_and_at_work(tmp_path: Path) -> None:
    files = development_key(tmp_path, NOW)
    with pytest.raises(BadConfig, match="ended on 2027-05-01"):
        open_signer(files, lambda: NOW + VALID)
    ticks = iter([NOW, NOW + VALID])
    finisher = replace(orders.finisher(), signer=open_signer(files, lambda: next(ticks)))
    with pytest.raises(BadConfig, match="ended on 2027-05-01"):
        finisher(orders.order(orders.art(), steps=SIGNED))


def test_a_certificate_that_c2pa_refuses_is_said_in_words(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    now = dt.datetime.now(dt.UTC)
    bare = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "c.pem").write_bytes(bare.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "k.pem").write_bytes(pem(key))
    signer = open_signer(KeyFiles(cert=tmp_path / "c.pem", key=tmp_path / "k.pem"))
    assert signer.subject == "unnamed (unnamed)"
    with pytest.raises(Poison, match="content credentials"):
        replace(orders.finisher(), signer=signer)(orders.order(orders.art(), steps=SIGNED))
