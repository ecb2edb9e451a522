"""Every broker there is, by name. Adding one is one line here and its folder."""

import importlib
from functools import cache

from libs.brokers.manifest import BrokerManifest

BROKERS = ("fyers",)


@cache
def manifest(name: str) -> BrokerManifest:
    """Load the manifest of one broker. Raise `KeyError` with the known names for any other."""
    if name not in BROKERS:
        raise KeyError(f"no broker {name!r}; there are: {', '.join(BROKERS)}")
    found: BrokerManifest = importlib.import_module(f"libs.brokers.{name}.manifest").MANIFEST
    return found
