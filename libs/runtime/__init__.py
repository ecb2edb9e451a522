"""What every process stands on: settings, logs, bus, ledger, cache, health. Knows no trading."""
