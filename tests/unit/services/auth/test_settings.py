import pytest
from pydantic import SecretStr

from libs.brokers import registry
from libs.runtime.problems import Problem
from services.auth.settings import PlatformApps, PlatformAppSettings

BROKER = registry.BROKERS[0]


def test_fr8_apps_are_read_under_the_seeds_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{BROKER.upper()}_APP_ID", "AB12-100")
    monkeypatch.setenv(f"{BROKER.upper()}_SECRET_ID", "canary")
    monkeypatch.setenv(f"{BROKER.upper()}_REDIRECT_URI", "https://lockstep.test/broker/callback")

    settings = PlatformAppSettings()

    app = PlatformApps(settings).app(BROKER)
    assert (app.app_id, app.secret) == ("AB12-100", "canary")
    assert app.redirect_uri == "https://lockstep.test/broker/callback"
    assert "canary" not in f"{settings!r} {app!r}"


@pytest.mark.parametrize("missing", ["app_id", "secret_id", "redirect_uri"])
def test_a_missing_setting_is_named(missing: str) -> None:
    given = {"app_id": "a", "secret_id": SecretStr("b"), "redirect_uri": "c"}
    given[missing] = SecretStr("") if missing == "secret_id" else ""
    settings = PlatformAppSettings(**{f"{BROKER}_{name}": value for name, value in given.items()})

    with pytest.raises(Problem) as refused:
        PlatformApps(settings).app(BROKER)

    assert refused.value.status == 503
    assert f"{BROKER}_{missing}".upper() in refused.value.message
