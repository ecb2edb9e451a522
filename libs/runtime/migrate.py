"""`python -m libs.runtime.migrate`: bring the database named in the environment up to date."""

import sys

from pydantic import Field, SecretStr

from libs.runtime.migrations import MigrationRefused, migrate, service_dsn
from libs.runtime.settings import PostgresSettings, WrongSettings, read_settings

__all__ = ["MigrationRefused", "main", "migrate", "service_dsn"]


class MigrateSettings(PostgresSettings):
    """`POSTGRES_DSN` is the owner's here."""

    service_password: SecretStr = Field(min_length=1, validation_alias="POSTGRES_SERVICE_PASSWORD")
    partitions: int = Field(default=4, ge=1, le=1024, validation_alias="LOCKSTEP_PARTITIONS")


def main() -> int:
    try:
        settings = read_settings(MigrateSettings)
        migrate(
            settings.postgres_dsn.get_secret_value(),
            partitions=settings.partitions,
            service_password=settings.service_password.get_secret_value(),
        )
    except (WrongSettings, MigrationRefused) as error:
        sys.stderr.write(f"migrate: {error}\n")
        return 1
    sys.stdout.write("migrate: the database is up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
