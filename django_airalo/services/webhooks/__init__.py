"""Webhooks: receive and process them, send signals for notifications, manage subscriptions."""
