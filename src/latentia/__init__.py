"""Latentia: variational autoencoders for your own images and recordings."""

from __future__ import annotations

__version__ = "0.1.0"
