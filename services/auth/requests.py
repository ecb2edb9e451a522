"""What every route of auth needs from a request: who acts, from where, and the parts of the app."""

from typing import Annotated

from fastapi import Depends, Request

from libs.runtime.identity import Principal, Role, requires
from services.auth.actors import Actor
from services.auth.evidence import EvidenceFlow
from services.auth.flow import ConnectionFlow
from services.auth.identities import OwnIdentities
from services.auth.people import PeopleFlow
from services.auth.repository_identities import IdentityRepository
from services.auth.repository_notifications import NotificationRepository
from services.auth.repository_people import PeopleRepository
from services.auth.repository_sessions import SessionRepository


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def actor_of(principal: Principal, request: Request) -> Actor:
    return Actor(user_id=principal.user_id, via=principal.via, address=address_of(request))


def _connections(request: Request) -> ConnectionFlow:
    flow: ConnectionFlow = request.app.state.connections
    return flow


def _people(request: Request) -> PeopleFlow:
    flow: PeopleFlow = request.app.state.people
    return flow


def _users(request: Request) -> PeopleRepository:
    users: PeopleRepository = request.app.state.users
    return users


def _notifications(request: Request) -> NotificationRepository:
    notifications: NotificationRepository = request.app.state.notifications
    return notifications


def _sessions(request: Request) -> SessionRepository:
    sessions: SessionRepository = request.app.state.sessions
    return sessions


def _evidence(request: Request) -> EvidenceFlow:
    flow: EvidenceFlow = request.app.state.evidence
    return flow


def _identified(request: Request) -> IdentityRepository:
    identified: IdentityRepository = request.app.state.identified
    return identified


def _identities(request: Request) -> OwnIdentities:
    identities: OwnIdentities = request.app.state.identities
    return identities


Connections = Annotated[ConnectionFlow, Depends(_connections)]
People = Annotated[PeopleFlow, Depends(_people)]
Users = Annotated[PeopleRepository, Depends(_users)]
Notices = Annotated[NotificationRepository, Depends(_notifications)]
Sessions = Annotated[SessionRepository, Depends(_sessions)]
Proofs = Annotated[EvidenceFlow, Depends(_evidence)]
Identified = Annotated[IdentityRepository, Depends(_identified)]
Own = Annotated[OwnIdentities, Depends(_identities)]

Anyone = Annotated[Principal, requires()]
Follower = Annotated[Principal, requires(Role.FOLLOWER)]
Master = Annotated[Principal, requires(Role.MASTER)]
Admin = Annotated[Principal, requires(Role.ADMIN)]
