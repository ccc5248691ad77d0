"""The gRPC door: messages of protobuf to the handler, what it gives to replies. Imported only where
the door is open.
"""
