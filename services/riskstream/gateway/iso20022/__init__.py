"""The ISO 20022 door's pure half: XML messages of payments to transactions of the contract, as
they are read, by a declared mapping a message type. Doors do transport, and send nothing before
the message has ended.
"""
