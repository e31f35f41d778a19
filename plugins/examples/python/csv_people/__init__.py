"""What the connector does, without the host: CSV text in, contacts and pages out.

Nothing in this package imports the generated bindings, so that all of it is tested by an ordinary Python.
`connector.py` beside it is what speaks to the host.
"""
