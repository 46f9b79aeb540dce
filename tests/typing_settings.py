"""What mypy reads in place of ``tests.settings``: the same, with the models and settings of the example shop."""

import sys
from pathlib import Path

from .settings import *

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "example_project"))

from config.settings import SHOP_URL as SHOP_URL

INSTALLED_APPS = [*INSTALLED_APPS, "shop"]
