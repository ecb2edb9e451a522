"""The paper exchange: matches orders at the last price and keeps books. Knows no broker."""
