"""Who may call the gateway, what for, and how often; and that nobody sends card numbers."""
