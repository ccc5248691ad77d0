"""Models by the public book's protocol, and what explaining them costs."""
