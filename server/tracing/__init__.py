"""Spans of what happens to jobs, for OpenTelemetry, where that is installed and asked for.

They are made of what was committed, after it was committed. Without the extra, or without the
environment asking for it, nothing here is started and nothing of OpenTelemetry is imported.
"""
