"""What the emulator needs of whatever takes its webhooks to the shop."""

from __future__ import annotations

from typing import Protocol


class Deliverer(Protocol):
    """Takes webhooks to their addresses: over HTTP, or within the process of a test."""

    def wake(self) -> None:
        """Look at once for what is due, if that is not left to the caller."""

    def is_reachable(self, url: str) -> bool:
        """Return whether the address answers a HEAD request with 200, which Airalo asks of webhook addresses."""

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int | None, str | None]:
        """Send one webhook; return (status, None), or (None, what went wrong)."""

    def reserve(self, webhook_ids: list[int]) -> None:
        """Leave these webhooks to the caller until they are released."""

    def release(self, webhook_id: int) -> None:
        """Take a webhook that was reserved into account again."""
