"""One folder is one process that can be deployed and scaled alone."""
