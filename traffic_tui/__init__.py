"""The console, the command line and the runner library."""
