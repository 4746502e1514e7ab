"""What the console knows and how it puts it in words: plain Python, no terminal library."""
