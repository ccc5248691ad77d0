"""The scorer beside its peers: what each costs an event, and how long it takes."""
