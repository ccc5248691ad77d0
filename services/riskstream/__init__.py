"""riskstream: event-streaming inference microservices for transaction risk."""
