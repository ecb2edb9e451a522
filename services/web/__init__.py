"""The edge: static files of the browser application, and every other path handed to its service."""
