"""The coordinator: importable and runnable with no terminal."""
