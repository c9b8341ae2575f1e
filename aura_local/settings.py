"""One frozen tree of settings: what can be configured, and its defaults. Layer 0.

`settings_sources` fills it from arguments, variables and aura.toml.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal

import platformdirs
from pydantic import Field, field_validator, model_validator

from aura_local.settings_section import Section as Section
from aura_local.sign_in_settings import CredentialSettings as CredentialSettings
from aura_local.sign_in_settings import OidcSettings as OidcSettings
from aura_local.tiers import EXAMPLE_TIERS, TierName, TierSettings

_ORIGIN: Final = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")


class ServerSettings(Section):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8765, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    allowed_hosts: tuple[str, ...] = Field(
        ("127.0.0.1", "localhost", "[::1]"),
        description="Host headers that are answered; others are refused (stops DNS rebinding).",
    )
    allowed_origins: tuple[str, ...] = Field(
        (), description="Origins besides our own whose pages may use the API and sockets; exact matches."
    )
    tls_cert: Path | None = Field(None, description="Certificate chain, PEM; with `tls_key` serves https.")
    tls_key: Path | None = Field(None, description="Private key of `tls_cert`, PEM, readable by you alone.")

    @field_validator("allowed_origins")
    @classmethod
    def _exact_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """What browsers send is compared letter by letter, so nothing else can ever match."""
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    "an origin is a scheme, a host in small letters and maybe a port, for example "
                    "https://intranet.example; there are no wildcards and no paths"
                )
        return origins

    @model_validator(mode="after")
    def _certificate_with_key(self) -> ServerSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together: set both or none")
        return self


class EngineSettings(Section):
    """`auto` takes the best that is present; otherwise the name of a catalogue entry."""

    speech_to_text: str = Field("auto", description="Model that hears.")
    language_model: str = Field("auto", description="Model that answers.")
    text_to_speech: str = Field("auto", description="Voice that speaks.")
    embedder: str = Field("auto", description="Model that searches.")
    voice_activity: str = Field("auto", description="Model that tells speech from noise.")
    turn_detector: str = Field("silence", description="Judge of whether the speaker has finished.")
    cores: int = Field(0, ge=0, description="Cores the engines may use together; 0 takes all.")
    verify_models: bool = Field(True, description="Check every model file's SHA-256 before loading it.")


class VoiceSettings(Section):
    language: str = Field("en", description="Language spoken, ISO 639-1.")
    speculation: bool = Field(True, description="Work ahead inside the silence, before the turn is over.")
    fitted_window: bool = Field(
        True, description="Fit Whisper's encoder window to the speech, for models trained for it."
    )
    partial_transcripts: bool = Field(True, description="Show words while they are spoken.")
    complete_silence_ms: int = Field(200, ge=96, description="Silence that ends a finished sentence.")
    doubtful_silence_ms: int = Field(600, ge=96, description="Silence that ends a doubtful sentence.")
    incomplete_silence_ms: int = Field(
        1200,
        ge=96,
        description="Silence that ends any sentence, also a statement that no document is plainly about.",
    )
    barge_in_ms: int = Field(200, ge=64, description="Speech that interrupts a reply.")
    utterance_limit_s: int = Field(60, ge=1, description="Longest turn; then it is answered as it is.")


class LimitSettings(Section):
    archive_bytes: int = Field(8 * 1024**3, ge=1, description="Largest archive of a tenant that is imported.")
    upload_bytes: int = Field(50 * 1024 * 1024, ge=1, description="Largest document.")
    json_body_bytes: int = Field(1024 * 1024, ge=1, description="Largest JSON request body.")
    body_grace_s: float = Field(10.0, gt=0, description="Time a request body may arrive at any pace.")
    body_bytes_per_s: int = Field(10 * 1024, ge=1, description="Slowest request body after that.")
    socket_frame_bytes: int = Field(64 * 1024, ge=1024, description="Largest socket message.")
    messages_per_s: int = Field(100, ge=1, description="Socket messages per second, of one client.")
    audio_pace: float = Field(1.25, gt=1, description="Audio accepted per second, in seconds.")
    audio_head_start_s: float = Field(5.0, gt=0, description="Audio accepted at once at the start.")
    start_deadline_s: float = Field(5.0, gt=0, description="Time for the first socket message.")
    header_deadline_s: float = Field(
        5.0, gt=0, description="Time for the headers of a request, and for a TLS handshake."
    )
    header_bytes: int = Field(16 * 1024, ge=1024, description="Largest path and headers together.")
    send_deadline_s: float = Field(5.0, gt=0, description="Time a client may stop reading.")
    tcp_user_timeout_s: float = Field(
        8.0, gt=0, description="Time sent data may stay unread before the connection is cut (Linux)."
    )
    input_stall_ms: int = Field(2000, ge=200, description="Missing audio that ends a running utterance.")
    idle_s: float = Field(60.0, gt=0, description="Socket without any message is closed.")
    session_s: float = Field(7200.0, gt=0, description="Longest voice session.")
    resume_s: float = Field(30.0, ge=0, description="Time a dropped session can be resumed.")
    sessions: int = Field(16, ge=1, description="Voice sessions at once on the server.")
    sessions_per_tenant: int = Field(10, ge=1, description="Voice sessions at once for one tenant.")
    sessions_per_user: int = Field(3, ge=1, description="Voice sessions at once for one signed-in user.")
    sessions_per_address: int = Field(
        20, ge=1, description="Voice sessions at once from one address; a proxy's clients share its address."
    )
    anonymous_requests_per_minute: int = Field(
        1200, ge=1, description="Requests without a credential, per address."
    )
    failed_logins_per_minute: int = Field(60, ge=1, description="Refused credentials, per address.")
    answer_tokens: int = Field(160, ge=1, le=512, description="Longest answer of the language model.")
    queue_wait_s: float = Field(10.0, gt=0, description="Time a turn may wait for an engine, then 503.")
    shutdown_s: float = Field(10.0, ge=1, description="Longest time from the signal to stop to the end.")
    open_tenants: int = Field(64, ge=1, description="Tenant files kept open.")
    question_characters: int = Field(2000, ge=1, description="Longest typed question.")
    speech_characters: int = Field(2000, ge=100, description="Longest text that a voice speaks in one piece.")
    recording_s: float = Field(
        600.0, gt=0, description="Longest recording that is written down, counted while it is decoded."
    )
    disk_reserve_bytes: int = Field(500 * 1024 * 1024, ge=0, description="Space that writes leave free.")


class RetrievalSettings(Section):
    index_location: Literal["disk", "memory"] = Field(
        "disk", description="Where vector indexes lie: on the disk, not encrypted, or in memory alone."
    )


class DocumentSettings(Section):
    """What reading one document may cost, else it fails with that reason; and what is recognised in it."""

    wall_s: float = Field(60.0, gt=0, description="Longest time to read one document.")
    cpu_s: int = Field(30, ge=1, description="Longest computing time to read one document.")
    memory_bytes: int = Field(
        512 * 1024**2, ge=128 * 1024**2, description="Most memory to read one document (Linux)."
    )
    text_bytes: int = Field(20 * 1024**2, ge=1, description="Most text of one document.")
    pages: int = Field(2000, ge=1, description="Most pages or slides of one document.")
    sentences: int = Field(
        60_000, ge=1, description="Most sentences, list items and table rows of one document."
    )
    archive_members: int = Field(2000, ge=1, description="Most files in an archive or office document.")
    archive_ratio: int = Field(100, ge=1, description="Most that an archive or a file in it may expand.")
    archive_bytes: int = Field(200 * 1024**2, ge=1, description="Most bytes of an archive's files, expanded.")
    recognise_text: Literal["auto", "off"] = Field(
        "auto", description="Read scanned pages where the extra `ocr` and its language data are there."
    )
    recognition_languages: tuple[Annotated[str, Field(pattern="^[a-z]{3}(_[a-z]+)*$")], ...] = Field(
        ("eng",),
        min_length=1,
        description="Languages of scanned pages as tesseract names them, likeliest first.",
    )
    recognition_data: Path = Field(
        Path("/usr/share/tesseract-ocr/5/tessdata"), description="Folder of tesseract's `NAME.traineddata`."
    )


class DownloadSettings(Section):
    """How `aura models pull` reaches the hub; nothing else downloads."""

    endpoint: str | None = Field(
        None, description="The hub or a mirror of it; left out, `HF_ENDPOINT`, else https://huggingface.co."
    )
    storage_hosts: tuple[str, ...] = Field(
        ("huggingface.co", "hf.co"),
        description="Domains, with all below them, to which the hub may redirect a download.",
    )
    proxy: str | None = Field(None, description="HTTP proxy for downloads, e.g. http://proxy.example:3128.")
    parallel_files: int = Field(3, ge=1, le=8, description="Files downloaded at a time.")


class MeteringSettings(Section):
    default_tier: str = Field("enterprise", description="Tier of tenants that none was set for.")


def default_home() -> Path:
    """Where the data lies unless somebody says otherwise."""
    return Path(platformdirs.user_data_dir("aura-local"))


def _default_master_key_file() -> Path:
    return Path(platformdirs.user_config_dir("aura-local")) / "master.key"


class Settings(Section):
    """Everything that can be configured."""

    home: Path = Field(default_factory=default_home, description="Data folder.")
    master_key_file: Path = Field(
        default_factory=_default_master_key_file, description="Master key; never under the data folder."
    )
    master_key_source: Literal["file", "passphrase"] = Field(
        "file",
        description="`passphrase` keeps the master key sealed in the data folder and asks at every start.",
    )
    backup_folder: Path | None = Field(
        None, description="Where `POST /api/backups` makes its folders; without one it refuses."
    )
    profile: Literal["auto", "demo"] = Field(
        "auto", description="`demo` uses the small synthetic models that ship; they are for tests and demos."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    server: ServerSettings = ServerSettings()
    engines: EngineSettings = EngineSettings()
    voice: VoiceSettings = VoiceSettings()
    limits: LimitSettings = LimitSettings()
    credentials: CredentialSettings = CredentialSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    documents: DocumentSettings = DocumentSettings()
    oidc: OidcSettings = OidcSettings()
    downloads: DownloadSettings = DownloadSettings()
    metering: MeteringSettings = MeteringSettings()
    tiers: dict[TierName, TierSettings] = Field(
        default_factory=lambda: dict(EXAMPLE_TIERS), description="Tiers by name, and what each allows."
    )

    @field_validator("tiers")
    @classmethod
    def _beside_the_examples(cls, tiers: dict[str, TierSettings]) -> dict[str, TierSettings]:
        return {**EXAMPLE_TIERS, **tiers}

    @model_validator(mode="after")
    def _default_tier_exists(self) -> Settings:
        if self.metering.default_tier not in self.tiers:
            raise ValueError(f"metering.default_tier must be one of: {', '.join(self.tiers)}")
        return self

    @model_validator(mode="after")
    def _key_apart_from_data(self) -> Settings:
        if self.master_key_file.resolve().is_relative_to(self.home.resolve()):
            raise ValueError(
                "master_key_file must not lie under home: a key beside its data protects nothing"
            )
        return self
