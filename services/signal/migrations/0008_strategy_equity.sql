-- What a master trades a strategy with, in rupees: followers may size in proportion to it.
-- depends: 0001_strategies_follows_signals

ALTER TABLE signal.strategies ADD COLUMN equity numeric CHECK (equity > 0);
