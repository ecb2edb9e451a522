"""`python -m services.auth create-user`: the first administrator, the password from stdin."""

import argparse
import asyncio
import sys

from pydantic import ValidationError
from redis.asyncio import Redis

from libs.runtime.identity import Role
from libs.runtime.logging import configure_logging
from libs.runtime.postgres import open_pool
from libs.runtime.problems import Problem, problem_of
from libs.runtime.redis import open_redis
from libs.runtime.settings import (
    LogSettings,
    PostgresSettings,
    RedisSettings,
    WrongSettings,
    read_settings,
)
from services.auth.actors import Actor
from services.auth.bodies import UserBody
from services.auth.copies import Copies
from services.auth.passwords import Passwords
from services.auth.people import PeopleFlow
from services.auth.repository_people import PeopleRepository

_OPERATOR = Actor(user_id=None, via="command", address="")


def create_user(arguments: list[str]) -> int:
    """Create one person; return the exit code, one line on stderr when it cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m services.auth create-user",
        description="Create a person. The password is read from standard input, one line.",
    )
    parser.add_argument("--email", required=True)
    parser.add_argument("--name", required=True, help="as shown to others")
    parser.add_argument(
        "--role", action="append", required=True, choices=[role.value for role in Role]
    )
    given = parser.parse_args(arguments)
    password = sys.stdin.readline().rstrip("\r\n")
    try:
        body = UserBody(
            email=given.email, password=password, display_name=given.name, roles=given.role
        )
        user_id = asyncio.run(_create(body))
    except ValidationError as error:
        return _refused("; ".join(problem_of(item)["message"] for item in error.errors()))
    except (Problem, WrongSettings) as error:
        return _refused(str(error))
    sys.stdout.write(f"{user_id}\n")
    return 0


def _refused(why: str) -> int:
    sys.stderr.write(f"create-user: {why}\n")
    return 1


async def _create(body: UserBody) -> str:
    # Standard output carries the new id and nothing else.
    configure_logging("auth", read_settings(LogSettings), sys.stderr)
    postgres, cache = read_settings(PostgresSettings), read_settings(RedisSettings)
    pool = await open_pool(
        postgres.postgres_dsn.get_secret_value(), max_size=1, application_name="auth-command"
    )
    redis: Redis = open_redis(cache.redis_url)
    try:
        people = PeopleFlow(people=PeopleRepository(pool, Copies(redis)), passwords=Passwords())
        return await people.create_user(
            email=body.email,
            password=body.password,
            display_name=body.display_name,
            roles=[role.value for role in body.roles],
            actor=_OPERATOR,
        )
    finally:
        await pool.close()
        await redis.aclose()
