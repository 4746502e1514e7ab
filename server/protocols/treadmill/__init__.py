"""Treadmill: the switchboard of its supervisors over WebSocket, and its REST for clients."""
