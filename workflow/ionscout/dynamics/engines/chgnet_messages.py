"""CHGNet's gated messages, with their derivative written by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ionscout.dynamics.engines import chgnet_kernels as kernels
from ionscout.dynamics.engines.chgnet_graph import Rows

WIDTH = kernels.WIDTH
# Rows that go through all loops together, so that they stay in the processor's cache.
BLOCK = 1024


class GatedLayer:
    """Weights of a gated perceptron, its first linear layer split by source.

    Parameters
    ----------
    gated : chgnet.model.functions.GatedMLP
    n_sources : int
        Number of feature vectors of width 64 that the original concatenates.

    Attributes
    ----------
    weights : list of Tensor, each of shape (64, 128)
        The first layer, by source; the core's columns first, then the gate's.
    bias : Tensor, shape (128,)
    second : list of (Tensor of shape (64, 64), Tensor of shape (64,))
        Weight and bias of the second layer of core and gate; empty where there is none.
    norm : ndarray, shape (4, 64)
        Gain and shift of the core's and of the gate's normalisation.
    """

    def __init__(self, gated: nn.Module, n_sources: int):
        core, gate = (
            [layer for layer in branch.layers if isinstance(layer, nn.Linear)]
            for branch in (gated.mlp_core, gated.mlp_gate)
        )
        first = torch.cat([core[0].weight, gate[0].weight]).detach()
        self.weights = [block.T.contiguous() for block in first.split(WIDTH, dim=1)[:n_sources]]
        self.bias = torch.cat([core[0].bias, gate[0].bias]).detach()
        self.second = [
            (linear.weight.detach().T.contiguous(), linear.bias.detach())
            for linear in (*core[1:], *gate[1:])
        ]
        norms = [gated.bn1.weight, gated.bn1.bias, gated.bn2.weight, gated.bn2.bias]
        self.norm = torch.stack(norms).detach().numpy()

    def project(self, source: int, features: Tensor) -> Tensor:
        """Return what one source adds to the first layer, shape (n, 128)."""
        return features @ self.weights[source]

    def send(
        self,
        at_start: Tensor,
        at_end: Tensor,
        between: Tensor,
        weights: Tensor,
        rows: Rows,
        n_owners: int,
    ) -> Tensor:
        """Return the sums of the messages at their owners, shape (n_owners, 64).

        Parameters
        ----------
        at_start, at_end : Tensor, shape (n, 128)
            Tables of projected features; the bias is in one of them.
        between : Tensor, shape (n, 128) or (n_rows, 64)
            A third such table; or, where the rows have no link, each row's own features,
            which the layer's third weight projects.
        weights : Tensor, shape (n, 64)
            Table of factors of the messages.
        rows : Rows
        n_owners : int
        """
        return _Messages.apply(at_start, at_end, between, weights, self, rows, n_owners)


class _Messages(torch.autograd.Function):
    """Messages in blocks of rows; can be differentiated once, for it works in place."""

    @staticmethod
    def forward(ctx, at_start, at_end, between, weights, layer, rows, n_owners):
        at_start, at_end = at_start.detach(), at_end.detach()
        between, weights = between.detach(), weights.detach()
        first = torch.empty(len(rows), 2 * WIDTH)
        second = torch.empty_like(first) if layer.second else first
        total, hidden = torch.zeros(n_owners, WIDTH), torch.empty(BLOCK, 2 * WIDTH)
        for block in _blocks(len(rows)):
            one, two = first[block], second[block]
            if rows.link is None:
                torch.mm(between[block], layer.weights[2], out=one)
            else:
                torch.index_select(between, 0, rows.link[block], out=one)
            ends = rows.start[block], rows.end[block]
            kernels.add_ends(at_start.numpy(), at_end.numpy(), *ends, one.numpy())
            if layer.second:
                part = hidden[: len(one)]
                kernels.activate(one.numpy(), part.numpy())
                for (weight, bias), half in zip(layer.second, _HALVES, strict=True):
                    torch.addmm(bias, part[:, half], weight, out=two[:, half])
            where = rows.weight_of[block], rows.owner[block]
            kernels.gate(two.numpy(), layer.norm, weights.numpy(), *where, total.numpy())
        shapes = [table.shape for table in (at_start, at_end, between)]
        ctx.kept = layer, rows, shapes, weights, first, second
        return total

    @staticmethod
    def backward(ctx, total_slope):
        layer, rows, shapes, weights, first, second = ctx.kept
        by_start, by_end, by_between = (torch.zeros(shape) for shape in shapes)
        by_weights, total_slope = torch.zeros_like(weights), total_slope.contiguous()
        by_hidden = torch.empty(BLOCK, 2 * WIDTH)
        for block in _blocks(len(rows)):
            one, two = first[block], second[block]
            where = rows.weight_of[block], rows.owner[block]
            slopes = total_slope.numpy(), by_weights.numpy()
            kernels.gate_backward(two.numpy(), layer.norm, weights.numpy(), *where, *slopes)
            if layer.second:
                part = by_hidden[: len(one)]
                for (weight, _), half in zip(layer.second, _HALVES, strict=True):
                    torch.mm(two[:, half], weight.T, out=part[:, half])
                one *= part
            kernels.scatter(one.numpy(), rows.start[block], by_start.numpy())
            kernels.scatter(one.numpy(), rows.end[block], by_end.numpy())
            if rows.link is None:
                torch.mm(one, layer.weights[2].T, out=by_between[block])
            else:
                kernels.scatter(one.numpy(), rows.link[block].numpy(), by_between.numpy())
        return by_start, by_end, by_between, by_weights, None, None, None


_HALVES = slice(0, WIDTH), slice(WIDTH, 2 * WIDTH)


def _blocks(n_rows: int) -> list[slice]:
    return [slice(k, min(k + BLOCK, n_rows)) for k in range(0, n_rows, BLOCK)]
