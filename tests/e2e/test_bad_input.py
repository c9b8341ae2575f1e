"""Every line of what may go wrong: one clear error each, the server lives on, nothing acknowledged is lost.

After each test the shared server has to answer a good question; what is stored is counted before and after.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from aura_local.benchmark.labelled_speech import UtteranceMaker
from aura_local.data_files import data_folder
from tests.e2e.command_line import aura
from tests.e2e.product_server import HTTP_S, Product, serve
from tests.e2e.test_documents import pdf, plain
from tests.server.voice_client import VoiceClient, voice_client

pytestmark = [pytest.mark.anyio, pytest.mark.engines, pytest.mark.llama, pytest.mark.starter]

MIB = 1024 * 1024
WELCOME = "The parrot welcomes every guest in the lobby."


@pytest.fixture(autouse=True)
def lives_on(request: pytest.FixtureRequest) -> Iterator[None]:
    """Around each test of the shared server: all documents are still there, and it answers."""
    if "product" not in request.fixturenames:
        yield
        return
    running: Product = request.getfixturevalue("product")
    before = {document["id"] for document in running.documents()}
    yield
    running.assert_well()
    assert before <= {document["id"] for document in running.documents()}


def refusal(response: httpx.Response, status: int, code: str) -> str:
    """The message of an error answer, once its shape, status and code are right."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"code", "message", "retryable"}
    assert error["code"] == code
    return str(error["message"])


def failed_upload(product: Product, name: str, content: bytes) -> str:
    """The reason of a document that was accepted and could not be read."""
    response = product.upload(name, content)
    assert response.status_code == 201, response.text
    document = response.json()
    assert document["status"] == "failed"
    assert document["reason"]
    return str(document["reason"])


# --- credentials and names ---------------------------------------------------------------------------


async def test_a_wrong_key(product: Product) -> None:
    wrong = {"authorization": "Bearer aura_0000000000_not-a-key"}
    message = refusal(product.http.get("/api/documents", headers=wrong), 401, "authentication_failed")
    assert "not-a-key" not in message
    async with voice_client(product.server.socket_url, {"type": "start", "key": "wrong"}) as client:
        assert await client.until_closed() == 4401
        assert [event["code"] for event in client.events] == ["authentication_failed"]


async def test_a_missing_key(product: Product) -> None:
    async with httpx.AsyncClient(base_url=product.url, trust_env=False) as anyone:
        for method, path in (("GET", "/api/documents"), ("POST", "/api/chat"), ("GET", "/metrics")):
            message = refusal(await anyone.request(method, path), 401, "authentication_failed")
            assert "Authorization: Bearer" in message
        assert (await anyone.get("/health")).json() == {"status": "ok"}
    async with voice_client(product.server.socket_url, {"type": "start"}) as client:
        assert await client.until_closed() == 4401
        assert "key" in client.events[0]["message"]


def test_an_unknown_document(product: Product) -> None:
    path = "/api/documents/0123456789abcdef"
    refusal(product.http.get(path), 404, "not_found")
    refusal(product.http.delete(path), 404, "not_found")
    refusal(product.http.get(f"{path}/original"), 404, "not_found")


# --- documents ---------------------------------------------------------------------------------------


def test_an_upload_of_51_mib(product: Product) -> None:
    before = product.documents()
    message = refusal(product.upload("large.txt", b"x" * (51 * MIB)), 413, "payload_too_large")
    assert "50 MiB" in message
    assert product.documents() == before


def test_an_executable_named_pdf(product: Product) -> None:
    before = product.documents()
    program = Path("/bin/true").read_bytes()
    message = refusal(product.upload("report.pdf", program), 415, "unsupported_media")
    assert "program" in message or "executable" in message
    assert product.documents() == before


def test_an_encrypted_pdf(product: Product) -> None:
    import pypdf

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf(WELCOME)))
    writer.encrypt("secret", algorithm="AES-256")
    content = io.BytesIO()
    writer.write(content)
    assert "password" in failed_upload(product, "locked.pdf", content.getvalue())


def test_a_truncated_pdf(product: Product) -> None:
    reason = failed_upload(product, "half.pdf", pdf(WELCOME)[:300])
    assert "PDF" in reason


def test_an_empty_file(product: Product) -> None:
    before = product.documents()
    message = refusal(product.upload("nothing.txt", b""), 422, "document_unreadable")
    assert "empty" in message
    assert product.documents() == before


def test_a_zip_bomb_docx(product: Product) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        types = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
        archive.writestr("[Content_Types].xml", types)
        with archive.open("word/document.xml", "w", force_zip64=True) as part:
            for _ in range(1024):
                part.write(bytes(MIB))
    assert len(content.getvalue()) < 2 * MIB
    reason = failed_upload(product, "bomb.docx", content.getvalue())
    assert "expands to more than" in reason


def test_broken_utf_8(product: Product) -> None:
    """Text is read as far as it can be, and the document says that something in it was not."""
    response = product.upload("broken.txt", plain(WELCOME) + b"And \xc3\x28 then \xff\xfe\x80 more.\n")
    document = response.json()
    assert document["status"] in ("indexed", "failed")
    assert document["reason"]
    if document["status"] == "indexed":
        assert "lobby" in product.ask("Where does the parrot welcome every guest?")["answer"]
    product.http.delete(f"/api/documents/{document['id']}")


def test_binary_garbage_as_audio(copied_museum: Path, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.wav"
    garbage.write_bytes(random.Random(7).randbytes(200_000))
    run = aura(copied_museum, "transcribe", str(garbage), "--json", "--profile", "demo")
    assert run.returncode == 1
    error = json.loads(run.stdout)["error"]
    assert error["code"] in ("audio_unreadable", "unsupported_media")
    assert error["message"] in run.stderr
    assert "Traceback" not in run.stderr


# --- the voice socket --------------------------------------------------------------------------------


async def started(client: VoiceClient) -> None:
    await client.until("ready")


def start_of(product: Product, **more: Any) -> dict[str, Any]:
    return {"type": "start", "key": product.key, **more}


async def test_a_frame_over_64_kib(product: Product) -> None:
    async with voice_client(product.server.socket_url, start_of(product)) as client:
        await started(client)
        await client.send(bytes(64 * 1024 + 2))
        error = await client.until("error")
        assert (error["code"], "65536" in error["message"]) == ("payload_too_large", True)
        assert await client.until_closed() == 1009


@pytest.mark.parametrize(
    ("message", "code"),
    [("this is no JSON", "not_json"), ({"type": "sing"}, "unknown_type"), (None, "already_started")],
    ids=["text_that_is_not_json", "an_unknown_message_type", "start_twice"],
)
async def test_a_wrong_message(product: Product, message: dict[str, Any] | str | None, code: str) -> None:
    """One error event; the session goes on and answers."""
    async with voice_client(product.server.socket_url, start_of(product)) as client:
        await started(client)
        await client.send(start_of(product) if message is None else message)
        assert (await client.until("error"))["code"] == code
        await client.send({"type": "text", "text": "When does the museum open?"})
        await client.until("reply_audio_started")
        assert len(client.all("error")) == 1
        assert "".join(event["text"] for event in client.all("reply_text_delta")).strip()


@pytest.fixture(scope="module")
def impatient(museum_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A server with short deadlines."""
    folder = Path(shutil.copytree(museum_folder, tmp_path_factory.mktemp("impatient") / "museum"))
    settings = {
        "limits.send_deadline_s": 0.5,
        "limits.resume_s": 0.5,
        "limits.input_stall_ms": 500,
        "limits.start_deadline_s": 0.5,
    }
    with serve(folder, settings) as running:
        yield running
        running.assert_well()


async def sessions_over(product: Product) -> None:
    """Wait until no session is open; fails after 20 s."""
    with anyio.fail_after(20):
        while True:
            if not product.metric("aura_voice_sessions_open"):
                return
            await anyio.sleep(0.1)


def turns_ended(product: Product) -> float:
    lines = product.http.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("aura_turns_total{"))


async def test_a_client_that_stops_reading(impatient: Product) -> None:
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    plug.connect(("127.0.0.1", int(impatient.url.rpartition(":")[2])))
    plug.setblocking(False)
    start = start_of(impatient, output_sample_rate_hz=48_000)
    async with voice_client(impatient.server.socket_url, start, sock=plug) as client:
        await started(client)
        client.socket.transport.pause_reading()
        asked_after = -1.0
        with anyio.fail_after(HTTP_S):
            while impatient.metric("aura_voice_sessions_open"):
                # One answer after the other, until the system's buffers hold no more of them.
                if (ended := turns_ended(impatient)) > asked_after:
                    asked_after = ended
                    await client.send({"type": "text", "text": "Tell me about the tickets and the prices."})
                await anyio.sleep(0.1)
        impatient.assert_well()
        client.socket.transport.resume_reading()
        # The system's own deadline for unread data may come before the server's.
        assert await client.until_closed() in (1006, 4504)


async def test_a_client_that_stops_sending(impatient: Product, maker: UtteranceMaker) -> None:
    """In the middle of a question: what was said until then is answered, and the session goes on."""
    from aura_local.audio.frame import to_pcm16

    utterance = await maker.speak("what time does the museum open", "en-us")
    async with voice_client(impatient.server.socket_url, start_of(impatient)) as client:
        await started(client)
        for first in range(0, len(utterance.samples), 320):
            await client.send(to_pcm16(utterance.samples[first : first + 320]))
        await client.until("reply_audio_started")
        assert client.all("final_transcript")[0]["text"] == utterance.text
    async with voice_client(impatient.server.socket_url, None) as client:
        assert await client.until_closed() == 4401
        assert [event["code"] for event in client.events] == ["start_too_late"]
    await sessions_over(impatient)
    impatient.assert_well()


# --- models ------------------------------------------------------------------------------------------


def package_with(folder: Path) -> Path:
    """A copy of AURA Local as a wheel installs it, whose models may be tampered with."""
    root = folder / "installed"
    checkout = data_folder("models").parent
    shutil.copytree(checkout / "aura_local", root / "aura_local", ignore=shutil.ignore_patterns("data"))
    shutil.copytree(checkout / "server", root / "server")
    for kind in ("models", "voices", "knowledge", "ui"):
        shutil.copytree(data_folder(kind), root / "aura_local" / "data" / kind)
    return root


def assert_names_the_lack(product: Product, job: str, state: str, file: str) -> None:
    status = product.http.get("/voice/status").json()
    assert status["ready"] is False
    engines = {engine["job"]: engine for engine in status["engines"]}
    assert engines[job]["state"] == state
    assert file in engines[job]["message"]
    assert engines[job]["command"]
    assert {engine["state"] for name, engine in engines.items() if name != job} == {"loaded"}
    assert product.http.get("/health", params={"ready": ""}).status_code == 503


async def test_a_model_file_is_missing(copied_museum: Path, tmp_path: Path) -> None:
    root = package_with(tmp_path)
    (root / "aura_local/data/models/whisper-synthetic-tiny/model.bin").unlink()
    with serve(copied_museum, package_root=root) as product:
        assert_names_the_lack(product, "speech_to_text", "missing", "model.bin")
        async with voice_client(product.server.socket_url, start_of(product)) as client:
            assert (await client.until("error"))["code"] == "model_missing"
            assert await client.until_closed() == 1011
        product.assert_well()


async def test_a_model_file_has_the_wrong_hash(copied_museum: Path, tmp_path: Path) -> None:
    root = package_with(tmp_path)
    file = root / "aura_local/data/voices/piper-synthetic/voice.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with serve(copied_museum, package_root=root) as product:
        assert_names_the_lack(product, "text_to_speech", "failed", "voice.onnx")
        async with voice_client(product.server.socket_url, start_of(product)) as client:
            assert (await client.until("error"))["code"] == "model_damaged"
            assert await client.until_closed() == 1011
        product.assert_well()


# --- the disk ----------------------------------------------------------------------------------------


@pytest.mark.namespace
def test_a_full_disk(museum_folder: Path, tmp_path: Path) -> None:
    """On a small file system of its own: what was acknowledged is there, and what is deleted makes room."""
    folder, disk = tmp_path / "museum", tmp_path / "museum" / "home"
    shutil.copytree(museum_folder / "key", folder / "key")
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=24m tmpfs {disk} && cp -a {museum_folder}/home/. {disk} && exec "$@"'
    wrapper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    with serve(folder, wrapper=wrapper) as product:
        museum = len(product.documents())
        kept: list[dict[str, Any]] = []
        source = random.Random(7)
        for number in range(20):
            text = f"Report {number}. " + source.randbytes(MIB).hex()
            response = product.upload(f"report-{number}.txt", text.encode(), wait=False)
            if response.status_code != 202:
                message = refusal(response, 507, "storage_full")
                assert "space" in message or "full" in message
                break
            kept.append(response.json())
        else:
            pytest.fail("the disk never was full")
        assert kept
        listed = {document["id"] for document in product.documents()}
        assert {document["id"] for document in kept} <= listed
        assert len(listed) == museum + len(kept)
        for document in kept:
            original = product.http.get(f"/api/documents/{document['id']}/original")
            assert original.status_code == 200
            assert len(original.content) == document["size_bytes"]
        for document in kept:
            assert product.http.delete(f"/api/documents/{document['id']}").status_code == 204
        assert product.upload("small.txt", plain(WELCOME)).json()["status"] == "indexed"
        product.assert_well()
