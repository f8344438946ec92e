"""Modules of `models/build`."""
