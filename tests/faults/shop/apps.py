from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "tests.faults.shop"
    label = "faultshop"

    def ready(self) -> None:
        from . import receivers

        receivers.connect()
