"""What the abstract of arXiv 2307.05610 claims, in this project's words."""

from __future__ import annotations

CLAIMS = (
    "All six embeddings identify dozens of transformations.",
    "Masked models (MAE, CAN) are best at telling the exact transformation.",
    "Image-text models (CLIP, ALIGN) generalize best to styles that no probe has seen.",
    "The five foundation objectives hold more non-semantic information than supervised training.",
    "Knowing more about appearance does not cost knowing less about content.",
)
