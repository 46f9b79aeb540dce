"""What the tests of webhooks share: a database that is in trouble, and other processes."""

from __future__ import annotations

import json
from collections.abc import Callable

from django.db import connection
from django.test import Client

from django_airalo.testing import low_data_payload

URL = "/airalo/webhook/"
BODY = json.dumps(low_data_payload("8900000000000000123")).encode()


def post(body: bytes, signature: str | None = None, url: str = URL, client: Client | None = None, **extra):
    headers = {} if signature is None else {"airalo-signature": signature}
    client = client or Client(enforce_csrf_checks=True)
    return client.post(url, data=body, content_type="application/json", headers=headers, **extra)


class MissingTable:
    """The table of a model is missing for a while, which causes a real database error."""

    def __init__(self, model):
        self.model, self.table = model, model._meta.db_table

    def __enter__(self):
        with connection.schema_editor() as editor:
            editor.alter_db_table(self.model, self.table, "table_away")

    def __exit__(self, *exc_info):
        with connection.schema_editor() as editor:
            editor.alter_db_table(self.model, "table_away", self.table)


class Meanwhile:
    """Another process acts right after a webhook was read, without its body, and before that is acted on."""

    def __init__(self, act: Callable[[], object]):
        self.act, self.acted = act, False
        self._wrapper = connection.execute_wrapper(self)

    def __call__(self, execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if not self.acted and sql.startswith("SELECT") and "webhookevent" in sql and "body" not in sql:
            self.acted = True
            self.act()
        return result

    def __enter__(self):
        self._wrapper.__enter__()
        return self

    def __exit__(self, *exc_info):
        self._wrapper.__exit__(*exc_info)
        assert self.acted
