"""Features of owned keys: windows over what a customer did, kept by the owner of its partition."""
