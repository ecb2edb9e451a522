"""Relays order feeds: brokers' feeds onto the bus, and the bus to websocket clients."""
