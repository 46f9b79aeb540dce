from tests.services.conftest import committed

__all__ = ["committed"]
