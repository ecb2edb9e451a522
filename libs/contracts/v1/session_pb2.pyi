import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SessionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SESSION_STATE_UNSPECIFIED: _ClassVar[SessionState]
    SESSION_STATE_CONNECTED: _ClassVar[SessionState]
    SESSION_STATE_EXPIRED: _ClassVar[SessionState]
    SESSION_STATE_ERROR: _ClassVar[SessionState]
    SESSION_STATE_DISCONNECTED: _ClassVar[SessionState]

class Environment(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENVIRONMENT_UNSPECIFIED: _ClassVar[Environment]
    ENVIRONMENT_PAPER: _ClassVar[Environment]
    ENVIRONMENT_LIVE: _ClassVar[Environment]

class Regime(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REGIME_UNSPECIFIED: _ClassVar[Regime]
    REGIME_PAPER: _ClassVar[Regime]
    REGIME_SELF: _ClassVar[Regime]
    REGIME_FAMILY: _ClassVar[Regime]
    REGIME_EMPANELLED: _ClassVar[Regime]
    REGIME_USER_APPROVED: _ClassVar[Regime]

class AccountKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCOUNT_KIND_UNSPECIFIED: _ClassVar[AccountKind]
    ACCOUNT_KIND_CLIENT: _ClassVar[AccountKind]
    ACCOUNT_KIND_TRADER: _ClassVar[AccountKind]
SESSION_STATE_UNSPECIFIED: SessionState
SESSION_STATE_CONNECTED: SessionState
SESSION_STATE_EXPIRED: SessionState
SESSION_STATE_ERROR: SessionState
SESSION_STATE_DISCONNECTED: SessionState
ENVIRONMENT_UNSPECIFIED: Environment
ENVIRONMENT_PAPER: Environment
ENVIRONMENT_LIVE: Environment
REGIME_UNSPECIFIED: Regime
REGIME_PAPER: Regime
REGIME_SELF: Regime
REGIME_FAMILY: Regime
REGIME_EMPANELLED: Regime
REGIME_USER_APPROVED: Regime
ACCOUNT_KIND_UNSPECIFIED: AccountKind
ACCOUNT_KIND_CLIENT: AccountKind
ACCOUNT_KIND_TRADER: AccountKind

class AccountState(_message.Message):
    __slots__ = ("account_id", "user_id", "broker", "kind", "version", "session_state", "environment", "regime", "broker_client_id", "session_expires_at", "egress", "algo_id", "orders_per_second_max", "consent_version", "strategy_algo_ids")
    class StrategyAlgoIdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    BROKER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_STATE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    REGIME_FIELD_NUMBER: _ClassVar[int]
    BROKER_CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    EGRESS_FIELD_NUMBER: _ClassVar[int]
    ALGO_ID_FIELD_NUMBER: _ClassVar[int]
    ORDERS_PER_SECOND_MAX_FIELD_NUMBER: _ClassVar[int]
    CONSENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_ALGO_IDS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    user_id: str
    broker: str
    kind: AccountKind
    version: int
    session_state: SessionState
    environment: Environment
    regime: Regime
    broker_client_id: str
    session_expires_at: _timestamp_pb2.Timestamp
    egress: str
    algo_id: str
    orders_per_second_max: int
    consent_version: int
    strategy_algo_ids: _containers.ScalarMap[str, str]
    def __init__(self, account_id: _Optional[str] = ..., user_id: _Optional[str] = ..., broker: _Optional[str] = ..., kind: _Optional[_Union[AccountKind, str]] = ..., version: _Optional[int] = ..., session_state: _Optional[_Union[SessionState, str]] = ..., environment: _Optional[_Union[Environment, str]] = ..., regime: _Optional[_Union[Regime, str]] = ..., broker_client_id: _Optional[str] = ..., session_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., egress: _Optional[str] = ..., algo_id: _Optional[str] = ..., orders_per_second_max: _Optional[int] = ..., consent_version: _Optional[int] = ..., strategy_algo_ids: _Optional[_Mapping[str, str]] = ...) -> None: ...
