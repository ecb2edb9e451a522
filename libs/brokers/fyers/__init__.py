"""FYERS API v3. Everything about it is in this folder; start at manifest.py and README.md."""
