from tests.services.conftest import server

__all__ = ["server"]
