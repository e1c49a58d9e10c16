"""Lists of cuts: the moments of a day, or of any time, with their clips, as programs, tables and editing suites read
them.

A cut is a moment that has ended, with the files that show it.
"""
