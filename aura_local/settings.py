"""One frozen tree of settings: what can be configured, and its defaults. Layer 0.

`settings_sources` fills it from arguments, variables and aura.toml.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from aura_local.tiers import EXAMPLE_TIERS, TierName, TierSettings

_HTTPS: Final = re.compile(r"https://[^/\s@]+(/\S*)?$")
_LOOPBACK: Final = re.compile(r"http://(127(\.[0-9]{1,3}){3}|localhost|\[::1\])(:[0-9]{1,5})?(/\S*)?$")
_ORIGIN: Final = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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
    doubtful_silence_ms: int = Field(
        600,
        ge=96,
        description="Silence that ends a doubtful sentence, or a statement the documents do not answer.",
    )
    incomplete_silence_ms: int = Field(1200, ge=96, description="Silence that ends any sentence.")
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
    disk_reserve_bytes: int = Field(500 * 1024 * 1024, ge=0, description="Space that writes leave free.")


class RetrievalSettings(Section):
    index_location: Literal["disk", "memory"] = Field(
        "disk", description="Where vector indexes lie: on the disk, not encrypted, or in memory alone."
    )


class MeteringSettings(Section):
    default_tier: str = Field("enterprise", description="Tier of tenants that none was set for.")


class OidcSettings(Section):
    """Sign-in at an OpenID Connect provider; off until `issuer` is set."""

    issuer: str | None = Field(None, description="Address of the identity provider; sign-in with it is on.")
    client_id: str | None = Field(None, description="What the provider knows this installation by.")
    client_secret_file: Path | None = Field(
        None, description="File with the client's secret, readable by you alone; none for a public client."
    )
    redirect_url: str | None = Field(
        None, description="Address of our own page, to which the provider sends people back."
    )
    allowed_email_domains: tuple[str, ...] = Field(
        (), description="Only people with e-mail addresses of these domains sign in this way; empty: all."
    )
    private_network: bool = Field(
        False, description="Whether the provider may have an address inside a private network."
    )
    create_users: bool = Field(
        False, description="Whether somebody whom the provider knows and we do not becomes a user."
    )
    new_user_role: Literal["admin", "member", "viewer"] = Field(
        "viewer", description="Role of users that are made this way."
    )
    new_user_tenant: str | None = Field(None, description="Name of the tenant they belong to.")

    @field_validator("issuer", "redirect_url")
    @classmethod
    def _secure_address(cls, address: str | None) -> str | None:
        if address is not None and (
            "?" in address or "#" in address or (_HTTPS.match(address) or _LOOPBACK.match(address)) is None
        ):
            raise ValueError("an address begins with https:// (http:// on loopback alone) and has no ? or #")
        return address

    @field_validator("allowed_email_domains")
    @classmethod
    def _plain_domains(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        for domain in domains:
            if not domain or domain != domain.lower() or "@" in domain or domain != domain.strip():
                raise ValueError("a domain is what follows the @, in small letters, such as example.org")
        return domains

    @model_validator(mode="after")
    def _complete(self) -> OidcSettings:
        if self.issuer is not None and (self.client_id is None or self.redirect_url is None):
            raise ValueError("oidc.issuer needs oidc.client_id and oidc.redirect_url")
        if self.create_users and (self.new_user_tenant is None or not self.allowed_email_domains):
            # Without domains everybody who has an account at a public provider could join.
            raise ValueError("oidc.create_users needs oidc.new_user_tenant and oidc.allowed_email_domains")
        return self


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
    retrieval: RetrievalSettings = RetrievalSettings()
    oidc: OidcSettings = OidcSettings()
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
