"""The sizes that all encoders of the zoo share, in pixels, numbers of an embedding, blocks and heads."""

SIZE, PATCH, WIDTH, DEPTH, HEADS = 128, 16, 192, 6, 3
GRID = SIZE // PATCH
TOKENS = GRID**2
