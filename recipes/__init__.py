"""A script a model: `python recipes/unet.py`, or `python -m dnzoo.recipes.unet` where dnzoo is installed."""
