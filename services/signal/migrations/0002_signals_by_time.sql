-- Executors read what was accepted a moment ago, in case the bus lost it.
CREATE INDEX signals_accepted ON signal.signals (accepted_at);
