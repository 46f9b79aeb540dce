"""The catalogue: packages, prices, devices."""
