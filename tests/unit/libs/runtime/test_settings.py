import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from libs.runtime.settings import (
    InternalSettings,
    KafkaSettings,
    PostgresSettings,
    WrongSettings,
    read_settings,
)


class LedgerSettings(KafkaSettings, PostgresSettings):
    model_config = SettingsConfigDict(env_prefix="LEDGER_", extra="ignore", populate_by_name=True)

    width: int = Field(default=3, gt=0)


def test_shared_names_carry_no_prefix_and_own_names_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:1")
    monkeypatch.setenv("POSTGRES_DSN", "postgresql://u:hush@db/x")
    monkeypatch.setenv("LEDGER_WIDTH", "5")

    settings = read_settings(LedgerSettings)

    assert settings.kafka_bootstrap_servers == "kafka:1"
    assert settings.postgres_dsn.get_secret_value() == "postgresql://u:hush@db/x"
    assert settings.width == 5
    assert "hush" not in repr(settings)


def test_wrong_settings_name_every_variable_and_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTGRES_DSN", raising=False)
    monkeypatch.setenv("LEDGER_WIDTH", "wide-and-secret")

    with pytest.raises(WrongSettings) as wrong:
        read_settings(LedgerSettings)

    lines = str(wrong.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["POSTGRES_DSN", "LEDGER_WIDTH"]
    assert "wide-and-secret" not in str(wrong.value)
    assert wrong.value.__cause__ is None


def test_the_environment_is_production_unless_it_says_local() -> None:
    token = SecretStr("a-token-between-services")

    assert InternalSettings(internal_service_token=token).environment_name == "production"
