"""The command `riskstream`: one small file a command group, loaded only when it is asked for."""
