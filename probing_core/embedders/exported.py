"""Alias of `probing_core.embedders.providers.exported`, where `save` was before."""

from probing_core.embedders.providers.exported import save

__all__ = ["save"]
