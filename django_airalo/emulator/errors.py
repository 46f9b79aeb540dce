"""Airalo's errors, in the shapes its documentation shows."""

from __future__ import annotations

from typing import Any

from .messages import Response

# Code: text, from the error page of Airalo's documentation. {} is Airalo's {additional}.
REASONS: dict[int, str] = {
    11: "Insufficient Airalo Credit: {}",
    13: "The requested operator is currently undergoing maintenance. Please try again later.",
    14: "Invalid checksum: {}",
    23: "The requested top-up has been disabled by the operator. {}",
    33: "Insufficient stock of eSIMs remaining: {}. Please try your request again later.",
    34: "The requested eSIM package is invalid or it is currently out of stock. Please try again later.",
    43: "Bad request. {} Please check your input and try again.",
    53: "Something unexpected happened. We're working to resolve the issue. Please try again later.",
    73: "The eSIM with iccid {} has been recycled. It can no longer be used or topped up.",
    89: "Your IP address is not permitted to access the Partner API. Add it to your API IP allowlist in the "
    "Partner Platform, or contact your account manager.",
}


class ApiError(Exception):
    """An error answer; carries the response to send."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def reason_of(code: int, additional: str = "") -> str:
    """Return the text of a business code; a code nobody documented has the text of code 53."""
    return REASONS.get(code, REASONS[53]).format(additional)


def business(code: int, additional: str = "") -> ApiError:
    """``{"code": 34, "reason": "…"}``: status 422, but 403 for the address allow-list (code 89)."""
    body = {"code": code, "reason": reason_of(code, additional)}
    return ApiError(Response.of(403 if code == 89 else 422, body))


def invalid(fields: dict[str, str]) -> ApiError:
    """``{"data": {"quantity": "…"}, "meta": {"message": "the parameter is invalid"}}``, 422."""
    return ApiError(Response.of(422, {"data": fields, "meta": {"message": "the parameter is invalid"}}))


def reason_only(text: str) -> ApiError:
    """``{"reason": "…"}`` without a code, 422: an async order with no address for its webhook."""
    return ApiError(Response.of(422, {"reason": text}))


def refused(status: int, message: str) -> ApiError:
    """``{"data": [], "meta": {"message": "…"}}``: 401 and 404."""
    return ApiError(Response.of(status, {"data": [], "meta": {"message": message}}))


def unauthorised() -> ApiError:
    """Bad token, or another partner's order: Airalo answers both alike."""
    return refused(401, "This action is unauthorized.")


def not_found() -> ApiError:
    """404 with the message key Airalo leaves untranslated."""
    return refused(404, "messages.resource_not_found")


def message_only(status: int, message: str, headers: dict[str, str] | None = None) -> ApiError:
    """``{"message": "…"}``: 429 and what PHP's framework says by itself."""
    return ApiError(Response.of(status, {"message": message}, headers))


def error_only(status: int, message: str) -> ApiError:
    """``{"error": "…"}``: only the webhook simulator."""
    return ApiError(Response.of(status, {"error": message}))


def control_error(message: Any, status: int = 400) -> ApiError:
    """Return an error of the emulator's own control routes."""
    return ApiError(Response.of(status, {"error": str(message)}))
