"""Built without network: ``python -m sphinx -W --keep-going -b dirhtml docs docs/_build/html``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import django
from django.conf import settings
from django.db import models
from sphinx.domains.python import PyObject

import django_airalo
from django_airalo.emulator.options import Options

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

napoleon_use_ivar = True  # the fields of a class as one list
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = f"django-airalo {version}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["docs.css"]


def _leave_out_the_arguments(app, what, name, item, options, signature, return_annotation):
    """Nobody need know what Django makes rows and querysets from; and options are listed one by one."""
    is_told_elsewhere = what == "class" and issubclass(item, (models.Model, models.QuerySet, models.Choices, Options))
    return ("", return_annotation) if is_told_elsewhere else None


def _say_the_values(app, what, name, item, options, lines):
    if what == "class" and issubclass(item, models.Choices):
        lines[:] = [", ".join(f"``{value}``" for value in item.values)]


#: What every model and queryset has, and what only the package itself calls.
NOT_FOR_SHOPS = {"DoesNotExist", "MultipleObjectsReturned", "NotUpdated", "as_manager", "clean", "ACCEPTED"}


def _leave_out_members(app, what, name, item, skip, options):
    return True if name in NOT_FOR_SHOPS else None


def setup(app):
    for kind in PyObject.doc_field_types:
        if kind.name == "variable":
            kind.label = "Fields"
    app.connect("autodoc-process-signature", _leave_out_the_arguments)
    app.connect("autodoc-process-docstring", _say_the_values)
    app.connect("autodoc-skip-member", _leave_out_members)
