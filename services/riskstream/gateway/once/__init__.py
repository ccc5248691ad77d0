"""Each transaction once: what was published, and what its caller was told, is remembered, so that
a request that comes again is answered as the first one was.
"""
