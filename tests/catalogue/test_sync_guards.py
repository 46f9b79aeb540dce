"""What makes a sync write, withdraw or refuse. More of it is in tests/catalogue."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command

from django_airalo import services
from django_airalo.client import AiraloClient, use_client
from django_airalo.exceptions import AiraloAPIError, AiraloResponseError
from django_airalo.models import Package
from tests.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.django_db


def catalogue(*package_ids: str, total: int | None = None, price: float = 4.5) -> bytes:
    packages = [{"id": name, "type": "sim", "title": name, "price": price, "net_price": 1.5} for name in package_ids]
    operator = {"id": 1, "title": "Test Mobile", "type": "local", "packages": packages}
    location = {"slug": "japan", "title": "Japan", "country_code": "JP", "operators": [operator]}
    locations = [location] if package_ids else []
    meta = {"current_page": 1, "last_page": 1, "total": len(locations) if total is None else total}
    return json.dumps({"data": locations, "meta": meta}).encode()


@pytest.fixture
def listed():
    """Call it with a body, and Airalo's catalogue is that."""
    with ScriptedServer() as server:
        token = {"data": {"access_token": "t" * 200, "expires_in": 86400}}
        server.on("/v2/token", Answer(body=json.dumps(token).encode()))
        previous = use_client(AiraloClient("client", "secret", server.url))
        yield lambda body, status=200: server.on("/v2/packages", Answer(status=status, body=body))
        use_client(previous)


def test_what_changed_is_written_and_what_is_missing_withdrawn(listed):
    listed(catalogue("a", "b", "c"))
    services.sync_packages()
    listed(catalogue("a", "b", "d", price=5))
    report = services.sync_packages()
    assert (report.added, report.changed, report.withdrawn) == (1, 2, 1)
    assert set(Package.objects.on_sale().values_list("package_id", flat=True)) == {"a", "b", "d"}
    listed(catalogue("a", "b", "c", "d", price=5))
    assert services.sync_packages().changed == 1  # c is back
    assert Package.objects.on_sale().count() == 4


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (catalogue(), 200),
        (catalogue("a", total=2), 200),
        (b'{"data": [', 200),
        (b"<html>", 200),
        (b'{"data": [], "meta": {"message": "This action is unauthorized."}}', 403),
    ],
    ids=["empty", "in part", "cut off", "html", "refused"],
)
def test_a_broken_answer_changes_nothing(listed, body, status):
    listed(catalogue("a", "b"))
    services.sync_packages()
    listed(body, status)
    with pytest.raises(AiraloAPIError):
        services.sync_packages()
    assert Package.objects.on_sale().count() == 2


def test_more_than_half_is_withdrawn_only_by_force(listed):
    listed(catalogue("a", "b", "c"))
    services.sync_packages()
    listed(catalogue("a"))
    with pytest.raises(AiraloResponseError, match="only 1 of the 3 packages"):
        services.sync_packages()
    assert Package.objects.on_sale().count() == 3
    call_command("airalo_sync_packages", "--force")
    assert Package.objects.on_sale().count() == 1
