"""The demo administrator of a machine with LOCKSTEP_ENV=local; nowhere else, ever."""

from typing import Literal

from libs.runtime.problems import Problem
from services.auth.actors import PLATFORM
from services.auth.people import PeopleFlow

DOMAIN = "lockstep.local"
EMAIL = f"admin@{DOMAIN}"
PASSWORD = "lockstep-demo"  # noqa: S105  # Printed on the screen of every demo machine.


async def create_demo_admin(
    environment_name: Literal["production", "local"], people: PeopleFlow
) -> None:
    if environment_name != "local":
        return
    try:
        await people.create_user(
            email=EMAIL,
            password=PASSWORD,
            display_name="Demo administrator",
            roles=["admin"],
            actor=PLATFORM,
        )
    except Problem as problem:
        if problem.code != "EMAIL_TAKEN":
            raise
