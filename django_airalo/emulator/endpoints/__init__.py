"""One small function per endpoint, grouped as Airalo's documentation groups them."""
