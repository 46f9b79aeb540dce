"""Orders: place, submit, look up, record, cancel, resolve."""
