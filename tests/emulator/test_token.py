from __future__ import annotations

import pytest
import requests

from django_airalo.emulator import Emulator

from .support import Partner

GOOD = {"client_id": "emulator-client", "client_secret": "emulator-secret", "grant_type": "client_credentials"}


def ask(emulator: Emulator, **how: object) -> requests.Response:
    return requests.post(f"{emulator.url}/v2/token", timeout=60, **how)


@pytest.mark.parametrize(
    "how",
    [{"data": GOOD}, {"json": GOOD}, {"files": {name: (None, value) for name, value in GOOD.items()}}],
    ids=["form", "json", "multipart"],
)
def test_a_token_is_given_for_a_body_in_each_of_the_three_forms(emulator: Emulator, how: dict[str, object]) -> None:
    answer = ask(emulator, **how)
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert data["token_type"] == "Bearer"
    assert data["expires_in"] == 31_622_400
    assert len(data["access_token"]) >= 200
    assert answer.json()["meta"] == {"message": "success"}


def test_wrong_credentials_are_refused_as_documented(emulator: Emulator) -> None:
    wrong_id = ask(emulator, data={**GOOD, "client_id": "somebody"})
    assert wrong_id.status_code == 422
    assert wrong_id.json() == {
        "data": {"client_id": "The selected client id is invalid."},
        "meta": {"message": "the parameter is invalid"},
    }
    wrong_secret = ask(emulator, data={**GOOD, "client_secret": "guess"})
    assert wrong_secret.status_code == 401
    assert wrong_secret.json() == {"data": [], "meta": {"message": "Client authentication failed"}}
    nothing = ask(emulator)
    assert nothing.status_code == 422
    assert set(nothing.json()["data"]) == set(GOOD)


def test_the_fourth_token_in_a_minute_is_refused() -> None:
    with Emulator() as emulator:
        answers = [ask(emulator, data=GOOD) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["X-RateLimit-Limit"] == "3"
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[3].json() == {"message": "Too Many Attempts."}
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 60
    assert "X-RateLimit-Reset" in answers[3].headers


def test_calls_without_a_good_token_are_unauthorised(emulator: Emulator, partner: Partner) -> None:
    for header in (None, "Bearer nonsense", str(partner.session.headers["Authorization"]).replace("Bearer", "bearer")):
        answer = requests.get(
            f"{emulator.url}/v2/balance", headers={"Authorization": header} if header else {}, timeout=60
        )
        assert answer.status_code == 401, header
        assert answer.json() == {"data": [], "meta": {"message": "This action is unauthorized."}}


def test_revoked_tokens_stop_working_and_new_ones_work(emulator: Emulator, partner: Partner) -> None:
    assert partner.get("balance").status_code == 200
    emulator.revoke_tokens()
    assert partner.get("balance").status_code == 401
    assert Partner.of(emulator).get("balance").status_code == 200


def test_tokens_expire() -> None:
    with Emulator(token_lifetime=0) as emulator:
        assert Partner.of(emulator).get("balance").status_code == 401


def test_secrets_do_not_reach_the_ledger_or_a_repr(emulator: Emulator) -> None:
    ask(emulator, data=GOOD)
    assert "emulator-secret" not in str(emulator.requests())
    assert "emulator-secret" not in repr(emulator.options)
