"""A script a model: `python recipes/unet.py` in a checkout, `python -m dnzoo.recipes.unet` where dnzoo is installed."""
