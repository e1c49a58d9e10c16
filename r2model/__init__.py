"""R²-Tuning for PyTorch: from CLIP tokens of a video and a sentence to the moments that the sentence describes.

>>> from r2model import load_model
>>> model = load_model("demo")
>>> grounding = model.ground(model.encode_images(pictures), model.encode_text("a ball enters the goal"))
"""

from r2model.checkpoint import load_checkpoint, load_model, save_checkpoint
from r2model.config import ClipConfig, R2Config
from r2model.door import R2Model
from r2model.errors import CheckpointError, QueryError
from r2model.outputs import Grounding

__all__ = [
    "CheckpointError",
    "ClipConfig",
    "Grounding",
    "QueryError",
    "R2Config",
    "R2Model",
    "load_checkpoint",
    "load_model",
    "save_checkpoint",
]
