"""Which words must show up nowhere: the stack's keys, everybody's tokens, PINs and sign-ins."""

import httpx
from pydantic import SecretStr
from redis.asyncio import Redis

from deploy.local.people import PASSWORD
from libs.runtime.internal_client import SessionSource
from libs.runtime.vault import KeyRing
from tests.faults.secrecy import Secrets, long_enough
from tests.faults.world import BROKER, World


async def canaries_of(world: World) -> Secrets:
    """Collect what is secret in this run; sessions are asked for as an executor asks."""
    keys, stack = world.stack.keys, world.stack
    # What a row of the database, by design, may hold: nothing of these.
    words = {
        f"the stack's {name}": getattr(keys, name)
        for name in keys.__slots__
        if name != "app_secret"
    }
    words["the broker app's secret"] = keys.app_secret[:24]
    words["the password of the demo"] = PASSWORD
    words["a sign-in of the administrator"] = world.crowd.admin_cookie
    for member in (*world.crowd.everybody, *world.crowd.operators):
        words[f"a sign-in of {member.email}"] = member.cookie
    words |= await _tokens(world)
    return Secrets(
        log=stack.layout.log,
        ledger=world.ledger,
        words=long_enough(words),
        pins=[member.pin for member in world.crowd.everybody],
    )


async def _tokens(world: World) -> dict[str, str]:
    keys = world.stack.keys
    async with httpx.AsyncClient(trust_env=False) as http:
        redis = Redis.from_url(world.addresses.redis_url)
        source = SessionSource(
            redis,
            world.url("auth"),
            SecretStr(keys.internal_service_token),
            KeyRing.from_setting(SecretStr(keys.session_encryption_key)),
            http,
        )
        accounts = [member.account_id for member in world.crowd.everybody]
        opened = await source.sessions(accounts, BROKER)
        await redis.aclose()
    return {
        f"the {name} of {session.client_id}": word
        for session in opened.values()
        for name, word in session.secrets.items()
    }
