"""Verdicts to alerts: life cycle, message form, outbox, MQTT."""
