"""Clips: encoded packets are kept in memory, and a moment's are cut out without encoding anything anew.

Sources fill `ring`, `writer` follows the event log, `cutter` makes the files. Nothing is imported here, since the
sources need the ring and nothing else.
"""
