"""The local catalogue of environments, images, models, runs and services: SQLite and content-addressed files."""
