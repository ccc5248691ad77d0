"""The contracts: generated records, the catalog of schemas and topics, and the codecs."""
