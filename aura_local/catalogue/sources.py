"""Where a model's files come from and what each must be. Layer 2."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

PINNED: Final = "pinned on first download"
"""In place of a SHA-256 that nobody stated: the first download's is recorded, and holds ever after."""


def _inside(path: str) -> str:
    """Only paths that cannot leave the folder they are joined to."""
    plain = PurePosixPath(path)
    if plain.is_absolute() or ".." in plain.parts or "\\" in path or ":" in path or str(plain) != path:
        raise ValueError("must be a plain relative path with forward slashes")
    return path


RelativePath = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f]+$"), AfterValidator(_inside)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Digest = Annotated[str, Field(pattern=r"^([0-9a-f]{64}|pinned on first download)$")]


class Table(BaseModel):
    """A table of a catalogue: immutable, and a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelFile(Table):
    """One file, by its path inside the model's folder.

    `size_bytes` may be None, unknown until the first download, for files without a stated digest.
    """

    name: RelativePath
    size_bytes: int | None = Field(default=None, gt=0)
    sha256: Digest

    @model_validator(mode="after")
    def _size_with_digest(self) -> Self:
        if self.size_bytes is None and self.digest_known:
            raise ValueError("size_bytes: a file with a digest has a size")
        return self

    @property
    def digest_known(self) -> bool:
        return self.sha256 != PINNED


class CheckoutSource(Table):
    """The model ships with AURA Local; `path` starts with `models/` or `voices/`."""

    kind: Literal["checkout"]
    path: RelativePath = Field(pattern=r"^(models|voices)/.")


class PackageSource(Table):
    """The model is inside an installed Python package, which is never imported for it.

    `version` is the release whose files the digests are of; `path` is the model's folder in site-packages.
    """

    kind: Literal["package"]
    distribution: Name
    version: str = Field(pattern=r"^[0-9][0-9A-Za-z.+!-]*$")
    path: RelativePath


class HubSource(Table):
    """The model is in a repository of a hub, at one revision for good, under `path` if that is given.

    Only `aura models pull` downloads it, into the data folder's `models/NAME`.
    """

    kind: Literal["hub"]
    repository: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$")
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    path: RelativePath | None = None

    def path_of(self, file: ModelFile) -> str:
        """The file's path in the repository."""
        return file.name if self.path is None else f"{self.path}/{file.name}"


class ImportSource(Table):
    """Somebody brought the model; it lies in the data folder's `models/NAME`, its entry beside it."""

    kind: Literal["import"]
