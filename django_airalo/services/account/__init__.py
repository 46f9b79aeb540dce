"""The account at Airalo: balance, pauses of submission."""
