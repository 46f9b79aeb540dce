"""Built without network: ``python -m sphinx -W --keep-going -b dirhtml docs docs/_build/html``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import django
from django.conf import settings

import django_airalo

settings.configure(
    SECRET_KEY="documentation-only",  # noqa: S106  guards nothing
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_airalo"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

project = "django-airalo"
author = "The django-airalo contributors"
project_copyright = author
version = release = django_airalo.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = f"django-airalo {version}"
html_copy_source = False
