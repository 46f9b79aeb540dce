"""Sell Airalo eSIMs from any Django shop."""

__version__ = "0.1.0"
