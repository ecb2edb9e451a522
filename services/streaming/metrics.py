"""What Prometheus reads about feeds, updates and sockets of this process."""

from prometheus_client import Counter, Gauge

FEEDS = Gauge("lockstep_streaming_feeds", "Order feeds held here", ["broker", "state"])
SHARDS = Gauge("lockstep_streaming_shards", "Shards leased by this replica", ["broker"])
CONNECTED = Counter("lockstep_streaming_connected", "Times a feed was opened", ["broker"])
UPDATES = Counter("lockstep_streaming_updates", "Updates put on the bus", ["broker", "source"])
UPDATES_LOST = Counter(
    "lockstep_streaming_updates_lost", "Updates not published, their books are read again"
)
BOOK_READS = Counter("lockstep_streaming_book_reads", "Order books read", ["broker", "outcome"])
SOCKETS = Gauge("lockstep_streaming_sockets", "Open client sockets")
SOCKETS_CLOSED = Counter("lockstep_streaming_sockets_closed", "Closed by us", ["code"])
FRAMES = Counter("lockstep_streaming_frames", "Frames queued to clients", ["kind"])
UNREADABLE = Counter("lockstep_streaming_unreadable", "Records nobody could read", ["topic"])
RELAY_STALE = Gauge("lockstep_streaming_relay_stale", "1 while the bus cannot be read")
