"""What each service of the chain does a core, and the whole chain from one backlog."""
