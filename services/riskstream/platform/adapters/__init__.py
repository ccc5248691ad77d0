"""One file an outside thing: the model runtime, the state store."""
