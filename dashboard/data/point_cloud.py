"""The points of a map: as bytes for the browser, and the points inside a lasso or under the pointer."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import cached_property
from weakref import WeakValueDictionary

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.data.density import densest
from dashboard.data.map_points import OTHERS, codes_of
from probing_core.compute.names import EVERYTHING
from probing_core.results import Run

FOLDER = "maps"
MARGIN = 1.04
"""Half the side of the square that a map is drawn in, over the largest distance of its points from the middle."""

MAX_CACHED_MAPS = 36
"""Number of maps in memory at most."""

MAX_LASSO_CORNERS = 4000
"""Number of corners of a lasso at most; the page sends fewer."""

_clouds: WeakValueDictionary[str, PointCloud] = WeakValueDictionary()
"""Clouds in memory, by the last part of their address."""


class PointCloud:
    """Samples on the map of one model.

    Their order is drawn at random, the same on every map of a run: a map is drawn point by point, and the last would
    hide the others where they stand in the order of their transformations.

    Attributes:
        run, model: run and model of the map.
        samples: (N,) numbers of the samples.
        middle, half: center and half the side of the square around the whole map.
        points: (N, 2) ``float32`` in that square, whose sides are -1 and 1.
        address: address for the browser, which nobody can guess.
    """

    def __init__(
        self, run: Run, model: str, samples: np.ndarray, points: np.ndarray, middle: np.ndarray, half: float
    ) -> None:
        self.run, self.model, self.samples, self.middle, self.half = run, model, samples, middle, half
        self.points = self.scaled(points)
        self._places: dict[str, list[tuple[int, float, float]]] = {}
        name = secrets.token_urlsafe(16)
        self.address = f"{FOLDER}/{name}"
        _clouds[name] = self

    def __len__(self) -> int:
        return len(self.samples)

    def scaled(self, points: np.ndarray) -> np.ndarray:
        """Return coordinates of the map, (n, 2), in the coordinates of `points`."""
        return ((points - self.middle) / self.half).astype(np.float32)

    def codes(self, coloring: str) -> np.ndarray:
        """Return the color code of each point, (N,) ``uint8``, see `codes_of`."""
        return cache.computed(self.run, codes_of, self.model, coloring)[1][self.samples]

    def enclosed(self, corners: np.ndarray, coloring: str = "", hidden: Sequence[int] = ()) -> np.ndarray:
        """Return the samples inside a polygon, by the even-odd rule.

        Args:
            corners: (K, 2) corners of the polygon.
            hidden: codes of ``coloring`` whose points are hidden, and so left out.
        """
        x, y = self._upward[0], self._upward[1]
        inside = np.zeros(len(self), bool)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            low, high = np.searchsorted(y, sorted((y0, y1)))  # an edge crosses only the rays of points at its height
            if low < high:
                inside[low:high] ^= x[low:high] < x0 + (y[low:high] - y0) * ((x1 - x0) / (y1 - y0))
        found = self._order[inside]
        return np.sort(self.samples[found[self._in_sight(found, coloring, hidden)]])

    def nearest(self, x: float, y: float, within: float, coloring: str = "", hidden: Sequence[int] = ()) -> int | None:
        """Return the position of the point nearest to (x, y), or None where none is ``within`` that distance."""
        low, high = np.searchsorted(self._upward[1], (y - within, y + within))
        near = self._order[low:high]
        near = near[self._in_sight(near, coloring, hidden)]
        if not len(near):
            return None
        distances = np.hypot(*(self.points[near] - np.array([x, y], np.float32)).T)
        best = distances.argmin()
        return int(near[best]) if distances[best] <= within else None

    def places(self, coloring: str) -> list[tuple[int, float, float]]:
        """Return the densest place of the points of each category of ``coloring``: code, x, y; none of amounts, nor of
        what has no name of its own."""
        if coloring not in self._places:
            names, _ = cache.computed(self.run, codes_of, self.model, coloring)
            codes = self.codes(coloring)
            there = [code for code, name in enumerate(names) if name != OTHERS and (codes == code).any()]
            self._places[coloring] = [(code, *densest(self.points[codes == code])) for code in there]
        return self._places[coloring]

    def text(self, position: int) -> str:
        """Return the text that is shown beside a point under the pointer."""
        return cache.hover_text(self.run, int(self.samples[position]))

    def marked(self, selected: np.ndarray) -> np.ndarray:
        """Return which of the points are ``selected`` samples, (N,) bool."""
        is_selected = np.zeros(self.run.sample_count, bool)
        is_selected[selected] = True
        return is_selected[self.samples]

    def _in_sight(self, positions: np.ndarray, coloring: str, hidden: Sequence[int]) -> np.ndarray:
        if not len(hidden):
            return np.ones(len(positions), bool)
        return ~np.isin(self.codes(coloring)[positions], np.asarray(hidden))

    @cached_property
    def _order(self) -> np.ndarray:
        """Return the positions of the points from the lowest to the highest, (N,)."""
        return np.argsort(self.points[:, 1], kind="stable").astype(np.int32)

    @cached_property
    def _upward(self) -> np.ndarray:
        """Return x and y of the points from the lowest to the highest, (2, N)."""
        return np.ascontiguousarray(self.points[self._order].T)


def find_cloud(name: str) -> PointCloud | None:
    """Return the cloud whose address ends in ``name``, or None where it is no longer in memory."""
    return _clouds.get(name)


@st.cache_resource(hash_funcs=cache.BY_DIGEST, show_spinner=False, max_entries=MAX_CACHED_MAPS)
def point_cloud(run: Run, model: str, reading: str = EVERYTHING) -> PointCloud:
    """Return the points of the map of ``model``, which must have one in this reading."""
    placed = cache.existing_map(run, model, reading)
    placed = placed.iloc[np.random.default_rng(0).permutation(len(placed))]
    samples, points = placed["sample"].to_numpy(np.int32), placed[["x", "y"]].to_numpy(np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    half = max(MARGIN * float((high - low).max()) / 2, 1e-6)
    return PointCloud(run, model, samples, points, (low + high) / 2, half)


def table_of(cloud: PointCloud, coloring: str) -> pd.DataFrame:
    """Return the points of a map as a table to download.

    The columns are ``model``, ``sample``, ``x``, ``y`` and what the run knows of each sample.
    """
    facts = cloud.run.sample_columns("image_id", "label", "split", "transform", "group", "strength")
    x, y = (cloud.points * cloud.half + cloud.middle).T
    table = facts.iloc[cloud.samples].reset_index(drop=True).assign(x=x, y=y, sample=cloud.samples, model=cloud.model)
    names, _ = cache.computed(cloud.run, codes_of, cloud.model, coloring)
    return table.assign(category=np.array(names, object)[cloud.codes(coloring)]) if names else table
