"""Settings of the documents service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from services.common.config import ServerSettings

_MIB = 1024 * 1024
REPLY_OVERHEAD_BYTES = 256 * 1024
"""Room in a message for all but the file or the document: the sentences in `errors`."""


class DocumentsSettings(ServerSettings):
    """Settings of the documents service."""

    service: ClassVar[str] = "documents"

    port: int = Field(default=50053, ge=0, le=65535)
    """Port of the gRPC server; 0 takes a free one."""

    metrics_port: int = Field(default=9153, ge=0, le=65535)
    """Port of the Prometheus endpoint `/metrics`; 0 takes a free one."""

    max_deadline_s: float = Field(default=600.0, gt=0)
    """Longest time that a call may take, and the deadline of a call that brings none. Unit: seconds."""

    backend: Literal["docling", "fake"] = "docling"
    """What parses: Docling in worker processes, or a deterministic fake for tests and for trying the API."""

    workers: int = Field(default=2, ge=1)
    """Worker processes, kept warm. Each parses one file at a time and holds about 150 MB when idle."""

    spare_workers: int = Field(default=1, ge=0)
    """Worker processes that are warm beside these: one takes the place of a worker that was ended at once, while its
    successor starts, which takes 2 to 4 s. Where one client's files have all the others, it parses the next one's."""

    max_queued: int = Field(default=16, ge=0)
    """Files that may wait for a worker; more is refused with a retry delay. Each is held in memory."""

    max_file_bytes: int = Field(default=50 * _MIB, ge=1)
    """Largest file; must fit into `max_message_bytes`. Unit: bytes."""

    max_unpacked_bytes: int = Field(default=256 * _MIB, ge=1)
    """Largest content of a packed file (docx, xlsx, epub, ...), unpacked: refuses zip bombs. Unit: bytes."""

    max_pages: int = Field(default=10_000, ge=1, le=50_000)
    """Most pages of a file that are read for one call; of a longer one a part must be asked for."""

    max_page_s: float = Field(default=60.0, gt=0)
    """Longest time that a page may take; one that takes longer ends its worker and is left out. A page takes 0.1 to
    10 s, ten times as long beside others on a busy machine. Unit: seconds."""

    worker_memory_bytes: int = Field(default=1536 * _MIB, ge=64 * _MIB)
    """Memory that a file may take in its worker beyond the idle worker's; more fails that file alone. Unit: bytes."""

    worker_recycle_rss_bytes: int = Field(default=512 * _MIB, ge=1)
    """A worker that holds more than this after a file is replaced. Unit: bytes."""

    # A start takes 2 to 4 s of a core: of 5,000 small files, which take 150 s, some 2 %; of 500 it was 20 %.
    worker_recycle_files: int = Field(default=5_000, ge=1)
    """A worker is replaced after so many files, so that leaks of libraries stay small."""

    page_models_dir: Annotated[Path, AfterValidator(lambda path: path.expanduser().resolve())] | None = None
    """Folder of Docling's own models, as `docling-tools models download` makes it: its layout model (heron) then finds
    the blocks of pages in place of the small one. Needs the extra `torch`, and 2 s a page; raise `worker_start_s`
    where torch is read from a slow disk."""

    worker_start_s: float = Field(default=60.0, gt=0)
    """Longest time that a worker may take to become ready. Unit: seconds."""

    @model_validator(mode="after")
    def _files_fit(self) -> Self:
        """A file travels in one message, and its worker holds it a few times over."""
        if self.max_file_bytes + REPLY_OVERHEAD_BYTES > self.max_message_bytes:
            raise ValueError(
                f"max_file_bytes: {self.max_file_bytes} and {REPLY_OVERHEAD_BYTES} for the rest of a message are "
                f"more than max_message_bytes, {self.max_message_bytes}; lower the one or raise the other"
            )
        if 4 * self.max_file_bytes > self.worker_memory_bytes:
            raise ValueError(
                f"worker_memory_bytes: {self.worker_memory_bytes} is less than four times max_file_bytes, "
                f"{self.max_file_bytes}; lower the one or raise the other"
            )
        return self
