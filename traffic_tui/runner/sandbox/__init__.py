"""The room for jobs that are programs: namespaces around them, limits on them, what they used.

``launcher/`` runs as a process of its own and builds the room; the rest is the agent's side of it.
"""
