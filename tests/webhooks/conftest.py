from tests.services.conftest import committed, heard

__all__ = ["committed", "heard"]
