"""Parts of screens: they draw what they are given and say what the operator did with it."""
