"""Workernator: its two gRPC contracts on one port, over mutual TLS 1.3."""
