from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from tests.factories import UserFactory


@pytest.fixture
def root(client):
    user = UserFactory(is_staff=True, is_superuser=True)
    client.force_login(user)
    return client


@pytest.fixture
def staff(client):
    """Sign in with these permissions only."""

    def sign_in(*names):
        user = UserFactory(is_staff=True)
        permissions = Permission.objects.filter(content_type__app_label="django_airalo", codename__in=names)
        assert permissions.count() == len(names)
        user.user_permissions.set(permissions)
        client.force_login(user)
        return client

    return sign_in
