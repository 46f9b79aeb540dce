"""Code that all subjects share: the database, status changes, signals, tasks."""
