"""The synthetic broadcast: an endless, seeded programme that knows what happens in it and when."""

from stream.broadcast.language import Happening, Meaning, Thing, sentences, understand
from stream.broadcast.programme import Broadcast

__all__ = ["Broadcast", "Happening", "Meaning", "Thing", "sentences", "understand"]
