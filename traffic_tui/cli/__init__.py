"""The command line: one module per command or group of commands.

Nothing heavy (the console, HTTP, rich) is imported before the command that needs it runs.
"""
