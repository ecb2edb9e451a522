"""What every simulator's server shares: journal, desk, fault knobs, control routes. No broker."""
