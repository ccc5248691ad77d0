"""What every service's process does, from its settings to its end; a new service needs none of it
again.
"""
