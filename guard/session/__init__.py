"""The only place that knows the order: rooms, participants, the pipeline."""
