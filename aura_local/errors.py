"""Every error AURA Local raises on purpose. Layer 0.

    AuraError
    ├── ConfigurationError          aura.toml, an AURA_* variable or an argument is wrong
    ├── AuthenticationFailed        the credential is missing, malformed, unknown or revoked
    ├── PermissionDenied            the credential is good, but does not reach this far
    │   └── TenantSuspended         the whole tenant has been stopped by the platform's owner
    ├── QuotaExceeded               the tenant has used up what its tier allows
    ├── NotFound                    no such thing for this tenant (other tenants' things included)
    ├── Conflict                    the thing exists already, or is in another state
    ├── InvalidRequest              the request cannot be understood
    │   ├── ProtocolViolation       a socket message that the protocol does not allow here
    │   └── PayloadTooLarge         more bytes, samples, pages or characters than allowed
    ├── UnreadableInput             the bytes are not what they claim to be
    │   ├── UnsupportedMedia        a kind of file that is not read here
    │   ├── DocumentUnreadable      a document of a known kind that cannot be opened
    │   └── AudioUnreadable         audio that cannot be decoded
    ├── Busy                        try again later
    │   ├── LaneBusy                the waiting queue of an engine is full
    │   ├── TooManySessions         the tenant or the server has no free voice session
    │   └── TooManyRequests         more attempts or requests than allowed in this time
    ├── DeadlineExceeded            the work took longer than it may
    ├── EngineUnavailable           an engine cannot do its work
    │   ├── ModelMissing            weights or a package are not installed
    │   └── ModelDamaged            weights differ from the digest in the catalogue
    ├── StorageUnavailable          the data folder cannot be used
    │   ├── StorageFull             no space left (or below the reserve)
    │   ├── StorageDamaged          a database does not pass its integrity check
    │   └── KeyUnavailable          the master key or a tenant's key is missing or wrong
    ├── DownloadFailed              the hub did not deliver a model's file
    └── EgressDenied                a connection that no policy permits

Errors know nothing about HTTP: `aura_server.problems` is the one table that maps them. A subclass only
exists where a caller or that table treats it differently.
"""

from __future__ import annotations


class AuraError(Exception):
    """Base of all errors with a message meant for the person who can fix it.

    `code` is a stable machine-readable word, `message` one sentence that says what is wrong and what to
    do, `retryable` whether the same call may succeed later without anything being fixed.
    The message never holds speech, prompts, document text or keys.
    """

    default_code = "internal_error"
    default_retryable = False

    def __init__(self, message: str, *, code: str | None = None, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.default_code if code is None else code
        self.retryable = self.default_retryable if retryable is None else retryable


class ConfigurationError(AuraError):
    """A setting is unknown, malformed or contradicts another."""

    default_code = "configuration_error"


class AuthenticationFailed(AuraError):
    """The credential is missing, malformed, unknown or revoked; which of these is not said."""

    default_code = "authentication_failed"


class PermissionDenied(AuraError):
    """The credential is good, but does not reach this far."""

    default_code = "permission_denied"


class TenantSuspended(PermissionDenied):
    """The tenant has been stopped by the platform's owner; its data is kept."""

    default_code = "tenant_suspended"


class QuotaExceeded(AuraError):
    """The tenant has used up what its tier allows; the message names the limit."""

    default_code = "quota_exceeded"


class NotFound(AuraError):
    """No such thing for this tenant. Another tenant's things do not exist."""

    default_code = "not_found"


class Conflict(AuraError):
    """The thing exists already, or is in a state that does not allow this."""

    default_code = "conflict"


class InvalidRequest(AuraError):
    """The request cannot be understood."""

    default_code = "invalid_request"


class ProtocolViolation(InvalidRequest):
    """A socket message that the protocol does not allow here."""

    default_code = "protocol_violation"


class PayloadTooLarge(InvalidRequest):
    """More bytes, samples, pages or characters than allowed."""

    default_code = "payload_too_large"


class UnreadableInput(AuraError):
    """The bytes are not what they claim to be."""

    default_code = "unreadable_input"


class UnsupportedMedia(UnreadableInput):
    """A kind of file that is not read here."""

    default_code = "unsupported_media"


class DocumentUnreadable(UnreadableInput):
    """A document of a known kind that cannot be opened: damaged, encrypted, empty, or a bomb."""

    default_code = "document_unreadable"


class AudioUnreadable(UnreadableInput):
    """Audio that cannot be decoded."""

    default_code = "audio_unreadable"


class Busy(AuraError):
    """Everything is taken at the moment."""

    default_code = "busy"
    default_retryable = True


class LaneBusy(Busy):
    """The waiting queue of an engine is full."""

    default_code = "lane_busy"


class TooManySessions(Busy):
    """The tenant or the server has no free voice session."""

    default_code = "too_many_sessions"


class TooManyRequests(Busy):
    """More attempts or requests than are allowed in this time.

    `retry_after_s` is the time until one more is allowed, None where it is not known.
    """

    default_code = "too_many_requests"

    def __init__(self, message: str, *, code: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(AuraError):
    """The work took longer than it may."""

    default_code = "deadline_exceeded"
    default_retryable = True


class EngineUnavailable(AuraError):
    """An engine cannot do its work."""

    default_code = "engine_unavailable"


class ModelMissing(EngineUnavailable):
    """Weights or a package are not installed. The message names the one command that gets them."""

    default_code = "model_missing"


class ModelDamaged(EngineUnavailable):
    """Weights differ from the digest in the catalogue; nothing has parsed them."""

    default_code = "model_damaged"


class StorageUnavailable(AuraError):
    """The data folder cannot be used."""

    default_code = "storage_unavailable"


class StorageFull(StorageUnavailable):
    """No space left, or less than the reserve. Nothing that was acknowledged is lost."""

    default_code = "storage_full"
    default_retryable = True


class StorageDamaged(StorageUnavailable):
    """A database does not pass its integrity check."""

    default_code = "storage_damaged"


class KeyUnavailable(StorageUnavailable):
    """The master key or a tenant's key is missing or wrong."""

    default_code = "key_unavailable"


class DownloadFailed(AuraError):
    """The hub did not deliver a model's file. What has arrived is kept; the next attempt goes on there."""

    default_code = "download_failed"
    default_retryable = True


class EgressDenied(AuraError):
    """A connection that no policy permits. Nothing was sent."""

    default_code = "egress_denied"
