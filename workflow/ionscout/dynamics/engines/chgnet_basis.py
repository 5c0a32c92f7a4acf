"""CHGNet's expansions of lengths and angles, each with its derivative in the same pass.

Phases are in double precision, for there single precision loses most; values and
derivatives are handed on in single precision.
"""

from __future__ import annotations

import math

import torch
from chgnet.model.basis import Fourier, RadialBessel
from torch import Tensor

# Keeps the arc cosine's derivative finite, as in the published potential.
COSINE_SCALE = 1 - 1e-6


def expand_lengths(lengths_ang: Tensor, expansion: RadialBessel) -> Tensor:
    """Return the radial basis of double-precision lengths, shape (n, n_radial), float32."""
    return _Lengths.apply(lengths_ang, expansion)


def expand_cosines(cosines: Tensor, expansion: Fourier) -> Tensor:
    """Return the angular basis of double-precision cosines, shape (n, n_angular), float32."""
    return _Cosines.apply(cosines, expansion)


class _Expansion(torch.autograd.Function):
    """Many functions of one variable, whose slopes the forward pass keeps."""

    @staticmethod
    def backward(ctx, by_values):
        (slopes,) = ctx.saved_tensors
        return (by_values * slopes).sum(dim=1).double(), None


class _Lengths(_Expansion):
    """A smooth cutoff times sin(f r / cutoff) / r, for each frequency f."""

    @staticmethod
    def forward(ctx, lengths, expansion):
        smooth, frequencies = expansion.smooth_cutoff, expansion.frequencies.double()
        x, p = lengths * expansion.inv_cutoff, smooth.p
        power = x ** (p - 1)
        envelope = 1 + power * x * (smooth.a + x * (smooth.b + x * smooth.c))
        steepness = power * (smooth.a * p + x * (smooth.b * (p + 1) + x * smooth.c * (p + 2)))
        is_inside = x < 1
        factor = torch.where(is_inside, expansion.norm_const * envelope / lengths, 0)
        factor_slope = expansion.norm_const * steepness * expansion.inv_cutoff - factor
        factor_slope = torch.where(is_inside, factor_slope / lengths, 0)
        phase = torch.outer(x, frequencies)
        sine, cosine = torch.sin(phase), torch.cos(phase)
        values = (factor[:, None] * sine).float()
        cosine *= factor[:, None] * (frequencies * expansion.inv_cutoff)
        ctx.save_for_backward(cosine.addcmul_(factor_slope[:, None], sine).float())
        return values


class _Cosines(_Expansion):
    """1 / sqrt(2), sin(f angle) and cos(f angle), for each frequency f, over sqrt(pi)."""

    @staticmethod
    def forward(ctx, cosines, expansion):
        frequencies = expansion.frequencies.double()
        scaled = cosines * COSINE_SCALE
        phase = torch.outer(torch.acos(scaled), frequencies)
        sine, cosine = torch.sin(phase).float(), torch.cos(phase).float()
        constant = torch.full((len(cosines), 1), math.sqrt(0.5))
        values = torch.cat([constant, sine, cosine], dim=1).mul_(1 / math.sqrt(math.pi))
        angle_slope = -COSINE_SCALE / torch.sqrt(math.pi * (1 - scaled**2))
        by_phase = torch.outer(angle_slope, frequencies).float()
        ctx.save_for_backward(
            torch.cat([torch.zeros_like(constant), by_phase * cosine, -by_phase * sine], dim=1)
        )
        return values
