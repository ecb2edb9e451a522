"""FYERS API v3 on paper: their paths, payloads, tokens, limits and order socket."""

from libs.brokers.fyers.simulator.app import build_simulator

__all__ = ["build_simulator"]
