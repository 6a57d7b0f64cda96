"""A linear probe as a file of its own, which names the embeddings that it is for. NumPy alone."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from probing_core.errors import BadArray
from probing_core.probes import array_file
from probing_core.probes.base import LinearProbe, square_root

BACKBONE = ("model", "weights", "preprocessing", "pooling", "layer")
"""Entries of `PortableProbe.backbone`."""

IDENTITY = "identity"

LARGEST_HEADER = 2**20
"""Bytes of the header of a file of safetensors; a probe's takes a few thousand."""

NO_GROUP = -1


@dataclass(frozen=True, eq=False)
class PortableProbe:
    """A probe of transformations with the facts on the embeddings that it is for.

    Attributes:
        probe: K classes, identity among them.
        groups: (K,) of the classes.
        backbone: ``model`` (its name), ``weights`` (their digest), ``preprocessing``, ``pooling``, ``layer`` (None: the
            model's own embedding).
    """

    probe: LinearProbe
    groups: tuple[str, ...]
    backbone: Mapping[str, Any]

    def __post_init__(self) -> None:
        missing = [name for name in BACKBONE if name not in self.backbone]
        if missing or len(self.groups) != len(self.probe.classes) or IDENTITY not in self.groups:
            raise BadArray(
                f"A portable probe needs a group for each of its {len(self.probe.classes)} classes, {IDENTITY} among "
                f"them, and a backbone with {', '.join(BACKBONE)}; {', '.join(missing) or 'a group'} is missing."
            )

    @property
    def dim(self) -> int:
        """Dimensions D of the embeddings that it reads."""
        return self.probe.mean.size

    @cached_property
    def group_names(self) -> tuple[str, ...]:
        """The groups of alterations, each once."""
        return tuple(dict.fromkeys(group for group in self.groups if group != IDENTITY))

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The alterations, in the order of the probe."""
        return tuple(c for c, g in zip(self.probe.classes, self.groups, strict=True) if g != IDENTITY)

    @cached_property
    def _folded(self) -> tuple[np.ndarray, np.ndarray]:
        """Weight (D, K) and bias (K,) for embeddings that are not standardized."""
        probe = self.probe
        weight = probe.weight.astype(np.float64) / probe.scale / probe.temperature
        bias = probe.bias.astype(np.float64) / probe.temperature - weight @ probe.mean
        return np.ascontiguousarray(weight.T, np.float32), bias.astype(np.float32)

    @cached_property
    def _members(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether each class is an alteration (K,), and the position of the group of each alteration."""
        altered = np.array([group != IDENTITY for group in self.groups])
        return altered, np.array([self.group_names.index(g) for g in self.groups if g != IDENTITY])

    def answer(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what is seen in embeddings ``X`` (N, D): the score (N,) ``float32``, and what was done if anything
        was, as positions (N,) in `group_names` and in `class_names`.

        The score is the largest log odds of any alteration against identity; higher is more altered. The group is the
        most probable one given that the picture was altered, and the class the most probable of that group. Rows that
        are not finite have the score NaN and the positions `NO_GROUP`.

        Raises:
            BadArray: the embeddings have another dimension.
        """
        X = np.asarray(X, np.float32)
        if X.ndim != 2 or X.shape[1] != self.dim:
            raise BadArray(f"The array {self.wants(f'the shape {X.shape}')}")
        weight, bias = self._folded
        with np.errstate(all="ignore"):  # rows that are not finite are told below
            logits = (square_root(X) if self.probe.root else X) @ weight + bias
            altered, member = self._members
            of_identity, logits = logits[:, ~altered], logits[:, altered]
            highest = logits.max(1)
            score = highest - np.logaddexp.reduce(of_identity, axis=1)
            share = np.exp(logits - highest[:, None])
            by_group = share @ np.eye(len(self.group_names), dtype=np.float32)[member]
            group = by_group.argmax(1)
            best = np.where(member == group[:, None], share, -1).argmax(1)
        fine = np.isfinite(score)
        return np.where(fine, score, np.nan), np.where(fine, group, NO_GROUP), np.where(fine, best, NO_GROUP)

    def wants(self, got: str) -> str:
        """Return what is wrong with embeddings of another backbone; the name of their file stands before it."""
        return (
            f"holds {got}, and the probe is for embeddings of '{self.backbone['model']}' with {self.dim} numbers; take "
            f"the probe of the model that made them (`probing rank` makes one)."
        )

    def refuse_declared(self, declared: str) -> None:
        """Refuse embeddings whose file says that another model made them.

        Args:
            declared: the model's name as that file has it: ``open_clip:ViT-L-14/openai``, or an architecture as
                ``ViT-L-14``; empty where it names none.

        Raises:
            BadArray: the probe is for another model.
        """
        mine = str(self.backbone["model"])
        if declared and declared != mine and _plain(declared) not in _plain(mine.partition("@weights=")[0]):
            raise BadArray(self.wants(f"embeddings of '{declared}'"))

    def to_bytes(self) -> bytes:
        """Return a safetensors file; the same probe gives the same bytes. `LinearProbe.from_bytes` reads it, too."""
        data = self.probe.to_bytes()
        arrays, about = array_file.from_bytes(data, "probe")
        return array_file.to_bytes(arrays, "probe", about | {"groups": self.groups, "backbone": dict(self.backbone)})

    @classmethod
    def from_bytes(cls, data: bytes) -> PortableProbe:
        """Read what `to_bytes` wrote.

        Raises:
            BadRun: the bytes are damaged, or no portable probe.
        """
        with array_file.expected("A portable probe (safetensors with a probe, its groups and its backbone)"):
            if int.from_bytes(data[:8], "little") > LARGEST_HEADER:
                raise ValueError("the header is too large")
            header, _ = array_file.read_header(io.BytesIO(data))
            about = json.loads(header["__metadata__"]["probe"])
            return cls(LinearProbe.from_bytes(data), tuple(about["groups"]), about["backbone"])


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
