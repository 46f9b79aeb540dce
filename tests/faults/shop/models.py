from __future__ import annotations

from django.db import models


class ShopOrder(models.Model):
    """The shop's own order, which is kept or lost together with the eSIM order."""

    key = models.CharField(max_length=100, unique=True)
    esim_order = models.OneToOneField("django_airalo.EsimOrder", on_delete=models.CASCADE)

    def __str__(self) -> str:
        return self.key


class Received(models.Model):
    """One signal that a receiver heard: the shop's half of the proof that every change was told."""

    signal = models.CharField(max_length=40)
    reference = models.CharField(max_length=32, blank=True)
    event_id = models.UUIDField(db_index=True)
    old_status = models.CharField(max_length=11, blank=True)
    new_status = models.CharField(max_length=11, blank=True)
    late = models.BooleanField(default=False)
    #: Whether another connection could see the change at that moment.
    committed = models.BooleanField(default=False)
    #: The eSIMs that the order had then, as the shop would show them: the key of its code by primary key.
    esims = models.JSONField(default=dict)
    pid = models.IntegerField(default=0)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.signal} {self.event_id}"


class Job(models.Model):
    """A task in the shop's queue."""

    task = models.CharField(max_length=100)
    arg = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.task}({self.arg})"
