"""A manager that reads from the database that is written to, never from a replica."""

from __future__ import annotations

from typing import ClassVar, Self, TypeVar

from django.db import models, router

M = TypeVar("M", bound=models.Model)


class PrimaryManager(models.Manager[M]):
    """A manager that reads from the database that the model is written to, since a replica may lag behind.

    All services use it. ``objects`` remains the default manager, and follows the project's database routers.
    """

    def get_queryset(self) -> models.QuerySet[M]:
        """Return all rows of the primary database, unless ``using()`` names another."""
        rows = super().get_queryset()
        return rows if self._db else rows.using(router.db_for_write(self.model))


class AiraloModel(models.Model):
    """The base of all models: ``objects`` follows the routers, ``primary`` does not."""

    objects: ClassVar[models.Manager[Self]] = models.Manager()
    primary: ClassVar[PrimaryManager[Self]] = PrimaryManager()

    class Meta:
        abstract = True
        base_manager_name = "primary"


def primary_rows(model: type[M]) -> models.QuerySet[M]:
    """Return the rows of a model without ``primary``, such as the user model, from the database it is written to."""
    return model._base_manager.using(router.db_for_write(model))
