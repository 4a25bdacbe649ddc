"""A base model and prepared rows come in; a trained adapter goes out (by Olive).

`olive_runner` runs any of Olive's passes; conversion/ uses it, too.
"""
