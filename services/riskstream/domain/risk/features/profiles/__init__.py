"""Profiles: features of terminals, devices and cards that many customers share."""
