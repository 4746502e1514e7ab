"""Where jobs live. :mod:`server.store.base` is the seam, :mod:`server.store.sqlite` keeps it."""
