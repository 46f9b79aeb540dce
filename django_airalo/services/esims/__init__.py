"""eSIMs: delivery, usage, top-ups, instructions."""
