"""A customer who uses the shop over HTTP, by its links and forms."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin

import requests


class CustomerError(Exception):
    """The customer could not continue on the shop's pages."""


class Page(HTMLParser):
    """The links and the forms of an HTML page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[dict[str, str]] = []
        self._form: dict[str, str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect links and form fields."""
        values = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(values.get("href", ""))
        elif tag == "form":
            self._form = {}
            self.forms.append(self._form)
        elif tag == "input" and self._form is not None and values.get("name"):
            is_chosen = values.get("type") not in ("radio", "checkbox") or "checked" in values
            if is_chosen:
                self._form[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """End the current form."""
        if tag == "form":
            self._form = None


class Customer:
    """A customer with a browser session, cookies and CSRF tokens."""

    def __init__(self, shop: str) -> None:
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy for this machine
        self._shop = shop
        self.url = shop
        self.html = ""

    def open(self, path: str) -> Page:
        """Open and return a page of the shop."""
        return self._seen(self._session.get(urljoin(self.url, path), timeout=20))

    def follow(self, page: Page, beginning: str, ending: str = "") -> Page:
        """Follow the first link whose path has this beginning and ending."""
        for link in page.links:
            if link.startswith(beginning) and link.endswith(ending):
                return self.open(link)
        raise CustomerError(f"There is no link to {beginning}…{ending} on {self.url}.")

    def send(self, page: Page, **fields: str) -> Page:
        """Fill in the last form of the page and send it to the URL of the page."""
        if not page.forms:
            raise CustomerError(f"There is no form on {self.url}.")
        data = {**page.forms[-1], **fields}
        answer = self._session.post(self.url, data=data, headers={"Referer": self.url}, timeout=20)
        return self._seen(answer)

    def _seen(self, answer: requests.Response) -> Page:
        if not answer.ok:
            raise CustomerError(f"{answer.request.method} {answer.url} returned the status {answer.status_code}.")
        self.url, self.html = answer.url, answer.text
        return Page(answer.text)
