"""Reels: the best moments of a day, or of any time, joined from their clips into one video file."""
