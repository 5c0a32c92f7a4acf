"""The crystal embedding of the CHGNet potential (Deng 2023), as a learned descriptor.

The features of the atoms after the last convolution and its normalisation, which the
potential's last layers turn into the atoms' energies, averaged over the atoms. They depend
on elements and positions alone; what each one means is not known.
"""

from __future__ import annotations

import contextlib
import functools
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from ionscout.errors import FeatureError
from ionscout.features._base import Description, DescriptorSet, take_apart

if TYPE_CHECKING:
    from pymatgen.core import Structure

WIDTH = 64

_HIGHEST_ATOMIC_NUMBER = 94


class ChgnetSet(DescriptorSet):
    """The mean atom embedding of CHGNet, without unit."""

    name = "chgnet"
    columns = tuple(f"embedding_{index:02d}" for index in range(WIDTH))
    source = "Deng et al. 2023, CHGNet, doi 10.1038/s42256-023-00716-3"
    packages = ("numpy", "pymatgen", "torch", "chgnet")

    def describe(self, structure: Structure) -> Description:
        """Compute the embedding of a crystal, in single precision on one thread.

        Parameters
        ----------
        structure : pymatgen.core.Structure
            Ordered; oxidation states do not matter.

        Returns
        -------
        Description

        Raises
        ------
        FeatureError
            If CHGNet is not installed, does not know an element or cannot make its
            graph, or if the crystal is not ordered.
        """
        species, _ = take_apart(structure)
        unknown = sorted({one.symbol for one in species if one.Z > _HIGHEST_ATOMIC_NUMBER})
        if unknown:
            raise FeatureError(f"CHGNet does not know {', '.join(unknown)}")
        model = _load_model()
        try:
            prediction = model.predict_structure(structure, task="e", return_crystal_feas=True)
        except ValueError as error:
            raise FeatureError(f"CHGNet: {' '.join(str(error).split())}") from None
        embedding = prediction["crystal_fea"].astype(float) / len(structure)
        if not np.isfinite(embedding).all():
            raise FeatureError("CHGNet: the embedding is not finite")
        return Description(dict(zip(self.columns, embedding.tolist(), strict=True)))


DESCRIPTORS = ChgnetSet


@functools.cache
def _load_model() -> Any:
    """Load the potential, once a process, and bind it to one thread."""
    try:
        import torch
        from chgnet.model.model import CHGNet
    except ImportError:
        raise FeatureError("CHGNet is not installed; install the package chgnet") from None
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()):
        return CHGNet.load(use_device="cpu", verbose=False)
