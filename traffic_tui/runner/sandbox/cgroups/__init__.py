"""Control groups, version 2 and 1: a group for each job, limits on it, what it used, its end."""
