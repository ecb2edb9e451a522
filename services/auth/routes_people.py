"""HTTP of people: sign in and out, who am I, API keys, and adding people."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from libs.runtime.identity import Principal, Role, cookie_name, public
from libs.runtime.problems import Problem
from services.auth import answers, demo
from services.auth.bodies import ApiKeyBody, SignInBody, UserBody
from services.auth.people import Attempt
from services.auth.repository_people import ABSOLUTE, User
from services.auth.requests import Admin, Anyone, Own, People, Users, actor_of, address_of

router = APIRouter(prefix="/auth", tags=["people"])

_DEMO_PEOPLE_MAX = 60
_OPERATORS = {Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN}


@router.get("/options", dependencies=[public()])
async def options(users: Users, own: Own) -> answers.SignInOptions:
    """Say how one signs in here; a demo machine lists its people with their one password."""
    # A cookie that needs no https is what LOCKSTEP_ENV=local means to a browser.
    if own.cookie_name != cookie_name("local"):
        return answers.SignInOptions(environment="production")
    people = await users.users_of_domain(demo.DOMAIN, limit=_DEMO_PEOPLE_MAX)
    return answers.SignInOptions(
        environment="local",
        demo_sign_ins=[
            answers.DemoSignIn(
                email=user.email,
                password=demo.PASSWORD,
                display_name=user.display_name,
                roles=list(user.roles),
            )
            for user in people
        ],
    )


@router.post("/sign-in", dependencies=[public()])
async def sign_in(
    body: SignInBody, request: Request, response: Response, flow: People, own: Own
) -> answers.Person:
    """Open a sign-in: the cookie holds a reference, new each time."""
    attempt = Attempt(
        email=body.email,
        password=body.password,
        address=address_of(request),
        cookie=request.cookies.get(own.cookie_name),
        user_agent=request.headers.get("User-Agent", ""),
    )
    user, token = await flow.sign_in(attempt)
    _set_cookie(response, own.cookie_name, token, user)
    return answers.person(user)


@router.post("/sign-out")
async def sign_out(
    request: Request, response: Response, principal: Anyone, flow: People, own: Own
) -> answers.Done:
    if token := request.cookies.get(own.cookie_name):
        await flow.sign_out(token, actor_of(principal, request))
    response.delete_cookie(
        own.cookie_name, path="/", secure=_secure(own.cookie_name), httponly=True
    )
    return answers.Done(code="SIGNED_OUT", message="Signed out.")


@router.get("/me")
async def me(principal: Anyone, users: Users) -> answers.Person:
    user = await users.user(principal.user_id)
    if user is None:  # Removed between the check and here.
        raise Problem(401, "SIGN_IN_REQUIRED", "Sign in first.")
    return answers.person(user)


@router.post("/users", status_code=201)
async def create_user(
    body: UserBody, request: Request, admin: Admin, flow: People
) -> answers.CreatedUser:
    user_id = await flow.create_user(
        email=body.email,
        password=body.password,
        display_name=body.display_name,
        roles=[role.value for role in body.roles],
        actor=actor_of(admin, request),
    )
    return answers.CreatedUser(user_id=user_id)


@router.get("/api-keys")
async def own_keys(principal: Anyone, flow: People) -> answers.ApiKeys:
    rows = await flow.keys(principal.user_id)
    return answers.ApiKeys(api_keys=[answers.api_key(row) for row in rows])


@router.post("/api-keys", status_code=201)
async def create_key(
    body: ApiKeyBody, request: Request, response: Response, principal: Anyone, flow: People
) -> answers.CreatedApiKey:
    """Make an API key. It is shown in this answer and never again."""
    _require_cookie(principal)
    actor = actor_of(principal, request)
    key_id, key = await flow.create_key(principal.user_id, body.label, actor)
    response.headers["Cache-Control"] = "no-store"
    return answers.CreatedApiKey(key_id=key_id, api_key=key)


@router.delete("/api-keys/{key_id}")
async def revoke_key(
    key_id: UUID, request: Request, principal: Anyone, flow: People
) -> answers.Done:
    await flow.revoke_key(principal.user_id, str(key_id), actor_of(principal, request))
    return answers.Done(code="API_KEY_REVOKED", message="The API key works no more.")


def _require_cookie(principal: Principal) -> None:
    # A key that leaked must not be able to make itself a successor.
    if principal.via != "cookie":
        message = "API keys are made in the browser: sign in with your password first."
        raise Problem(403, "NOT_ALLOWED", message)


def _set_cookie(response: Response, name: str, token: str, user: User) -> None:
    response.headers["Cache-Control"] = "no-store"
    response.set_cookie(
        name,
        token,
        max_age=int(ABSOLUTE.total_seconds()),
        path="/",
        secure=_secure(name),
        httponly=True,
        samesite="strict" if _OPERATORS.intersection(user.roles) else "lax",
    )


def _secure(name: str) -> bool:
    return name.startswith("__Host-")
