"""Serves one broker's simulator: paper mode for people, a broker for tests."""
