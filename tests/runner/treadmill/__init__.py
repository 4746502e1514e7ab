"""The agent as a supervisor of Treadmill."""
