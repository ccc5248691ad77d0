"""What the gateway promises, under load and outages."""
