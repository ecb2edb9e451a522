"""Generated from proto/v1 by `make proto`. Never edited by hand."""
