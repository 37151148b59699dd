"""A script per model: `dnzoo train unet`, or in a checkout `python recipes/unet.py`, which is the same."""
