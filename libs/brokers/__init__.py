"""One folder per broker, behind small doors. Ask the manifest what a broker can do."""
