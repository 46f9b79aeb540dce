"""A top-up that certainly belongs to another operator than the eSIM is refused before it costs anything."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from django_airalo import services
from django_airalo.models import Package
from tests.factories import LONG_AGO, EsimFactory, EsimOrderFactory, OperatorFactory, PackageFactory

pytestmark = pytest.mark.django_db

TOPUP = "test-other-topup"


@pytest.fixture
def esim():
    package = PackageFactory()
    return EsimFactory(order=EsimOrderFactory(completed=True, package_id=package.package_id))


def operator_of(esim):
    return Package.objects.get(package_id=esim.order.package_id).operator


def test_topup_of_another_operator_is_refused(airalo, esim):
    other = PackageFactory().operator
    PackageFactory(package_id=TOPUP, type="topup", operator=other)
    with pytest.raises(ValidationError, match="for eSIMs of another operator") as refused:
        services.place_topup(esim, package_id=TOPUP)
    assert set(refused.value.message_dict) == {"package_id"}
    assert airalo.orders == []
    order = services.place_topup(esim, package_id=TOPUP, on_refusal="record")
    assert order.status == "failed"


def test_topup_of_own_operator_is_placed(airalo, esim):
    PackageFactory(package_id=TOPUP, type="topup", operator=operator_of(esim))
    assert services.place_topup(esim, package_id=TOPUP).status == "pending"


@pytest.mark.parametrize("sells", [None, LONG_AGO])
def test_topup_of_operator_without_esims_on_sale_is_placed(airalo, esim, sells):
    """Airalo lists operators that have only top-ups, for eSIMs that another one sold."""
    other = OperatorFactory()
    if sells:
        PackageFactory(operator=other, withdrawn_at=sells)
    PackageFactory(package_id=TOPUP, type="topup", operator=other)
    assert services.place_topup(esim, package_id=TOPUP).status == "pending"


@pytest.mark.parametrize("unknown", ["universal", "package", "operator", "topup"])
def test_topup_is_placed_if_the_operators_are_not_known(airalo, esim, unknown):
    other = PackageFactory().operator
    PackageFactory(package_id=TOPUP, type="topup", operator=None if unknown == "topup" else other)
    packages = Package.objects.filter(package_id=esim.order.package_id)
    if unknown == "universal":
        type(other).objects.filter(packages__in=packages).update(type="universal")
    elif unknown == "package":
        packages.delete()
    elif unknown == "operator":
        packages.update(operator=None)
    assert services.place_topup(esim, package_id=TOPUP).status == "pending"
