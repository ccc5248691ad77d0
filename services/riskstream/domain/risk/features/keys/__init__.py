"""The slots of keys: which number a key has. Windows, states and profiles hold theirs by it."""
