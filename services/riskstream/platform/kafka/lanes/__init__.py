"""Lanes, loops that read a topic and write another: exact (scorer), derived (tracker), forward."""
