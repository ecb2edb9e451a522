"""Figures of the signal service beyond those every process has."""

from prometheus_client import Counter, Gauge

ACCEPTED = Counter("lockstep_signals_accepted", "Signals accepted.", ["action"])
BACKLOG_ROWS = Gauge(
    "lockstep_signal_backlog_rows", "Outbox rows that wait, as admission sees them."
)
