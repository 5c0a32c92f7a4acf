"""CHGNet's network, trimmed to what molecular dynamics needs.

The weights and the function are those of the published potential (Deng et al.,
Nature Machine Intelligence 5, 1031 (2023), doi:10.1038/s42256-023-00716-3). What
differs is the way to the result:

- the energy is a function of the bond vectors alone, so that one derivative gives
  forces and stress, and nothing is differentiated by a parameter;
- each linear layer over concatenated features [x, y, z] is applied as
  x W_x + y W_y + z W_z, before the features are gathered onto bonds and angles;
- a bond outside the bond graph keeps its features through all bond convolutions;
- an angle and its mirror image share their basis;
- bond lengths, angles and their bases are in double precision, for there single
  precision loses most: the forces are nearer to the exact ones than stock's;
- the last angle update, whose result nobody reads, is left out, and so are the
  magnetic moments.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from chgnet.model.model import CHGNet
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 64


@dataclass(frozen=True)
class Graph:
    """Bonds and angles of a crystal, each bond once, short bonds first.

    Every angle appears twice: row k + n_angles / 2 is row k with its two bonds
    exchanged.

    Attributes
    ----------
    n_short : int
        Number of bonds in the bond graph.
    first, second : Tensor of int, shape (n_bonds,)
        Atoms of each bond.
    apex : Tensor of int, shape (n_angles,)
        Atom at each angle's apex.
    bond_from, bond_to : Tensor of int, shape (n_angles,)
        The two bonds of each angle.
    sign : Tensor, shape (n_angles / 2,)
        -1 where just one of the angle's bonds ends, rather than starts, at the apex.
    """

    n_short: int
    first: Tensor
    second: Tensor
    apex: Tensor
    bond_from: Tensor
    bond_to: Tensor
    sign: Tensor


class GatedLayer(nn.Module):
    """A gated perceptron over several sources, its first linear layer split by source.

    Parameters
    ----------
    gated : chgnet.model.functions.GatedMLP
    n_sources : int
        Number of feature vectors of width 64 that the original concatenates.
    """

    def __init__(self, gated: nn.Module, n_sources: int):
        super().__init__()
        core, gate = (
            [layer for layer in branch.layers if isinstance(layer, nn.Linear)]
            for branch in (gated.mlp_core, gated.mlp_gate)
        )
        first = torch.cat([core[0].weight, gate[0].weight])
        self.weights = [
            block.T.contiguous() for block in first.detach().split(WIDTH, dim=1)[:n_sources]
        ]
        self.bias = torch.cat([core[0].bias, gate[0].bias]).detach()
        self.second = (core[1], gate[1]) if len(core) == 2 else None
        self.norms = (gated.bn1, gated.bn2)

    def project(self, source: int, features: Tensor) -> Tensor:
        """Return what one source adds to the first layer, shape (n, 128)."""
        return features @ self.weights[source]

    def finish(self, first: Tensor) -> Tensor:
        """Return the gated output, shape (n, 64), from the sum of the projections."""
        core, gate = first.split(WIDTH, dim=1)
        if self.second is not None:
            core, gate = F.silu(first).split(WIDTH, dim=1)
            core, gate = self.second[0](core), self.second[1](gate)
        return F.silu(self.norms[0](core)) * torch.sigmoid(self.norms[1](gate))


class TrimmedNetwork(nn.Module):
    """Energy of a crystal from its bond vectors.

    Parameters
    ----------
    model : chgnet.model.model.CHGNet
        The published potential.
    """

    def __init__(self, model: CHGNet):
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.atom_layers = [GatedLayer(x.twoBody_atom, 3) for x in model.atom_conv_layers]
        self.bond_layers = [GatedLayer(x.twoBody_bond, 4) for x in model.bond_conv_layers]
        self.angle_layers = [GatedLayer(x.twoBody_bond, 4) for x in model.angle_layers]
        self.reference_ev = model.composition_model.fc.weight[0].detach().double()

    def forward(self, atomic_numbers: Tensor, vectors_ang: Tensor, graph: Graph) -> Tensor:
        """Return the energy in eV.

        Parameters
        ----------
        atomic_numbers : Tensor of int, shape (n_atoms,)
        vectors_ang : Tensor, shape (n_bonds, 3)
            From each bond's first to its second atom.
        graph : Graph
        """
        model, short = self.model, slice(graph.n_short)
        lengths = vectors_ang.norm(dim=1)
        basis = model.bond_basis_expansion.rbf_expansion_ag(lengths).float()
        basis_short = model.bond_basis_expansion.rbf_expansion_bg(lengths[short]).float()
        atoms = model.atom_embedding(atomic_numbers - 1)
        bonds = model.bond_embedding(basis)
        bonds, long_bonds = bonds[short], bonds[graph.n_short :]
        weights = model.bond_weights_ag(basis)
        weights_short = model.bond_weights_bg(basis_short)
        has_angles = len(graph.apex) > 0
        if has_angles:
            angles = self._embed_angles(vectors_ang[short] / lengths[short, None], graph)

        n_rounds = len(self.bond_layers)
        for index in range(n_rounds):
            atoms = self._convolve_atoms(
                index, atoms, torch.cat([bonds, long_bonds]), weights, graph
            )
            if has_angles:
                bonds = self._convolve_bonds(index, atoms, bonds, weights_short, angles, graph)
                if index < n_rounds - 1:
                    angles = self._update_angles(index, atoms, bonds, angles, graph)
        atoms = self._convolve_atoms(
            n_rounds, atoms, torch.cat([bonds, long_bonds]), weights, graph
        )
        site_energies = model.mlp(model.readout_norm(atoms))
        return site_energies.double().sum() + self.reference_ev[atomic_numbers - 1].sum()

    def _embed_angles(self, directions: Tensor, graph: Graph) -> Tensor:
        """Return the angles' first features, shape (n_angles, 64)."""
        half = len(graph.sign)
        start = directions.index_select(0, graph.bond_from[:half])
        end = directions.index_select(0, graph.bond_to[:half])
        basis = self.model.angle_basis_expansion(start * graph.sign[:, None], end)
        features = self.model.angle_embedding(basis.float())
        return torch.cat([features, features])

    def _convolve_atoms(
        self, index: int, atoms: Tensor, bonds: Tensor, weights: Tensor, graph: Graph
    ) -> Tensor:
        """Update the atoms from their bonds, both ways."""
        layer = self.atom_layers[index]
        at_centre, at_neighbour = layer.project(0, atoms), layer.project(2, atoms)
        on_bond = layer.project(1, bonds) + layer.bias
        start, end = graph.first, graph.second
        first = torch.cat(
            [
                at_centre.index_select(0, start) + at_neighbour.index_select(0, end) + on_bond,
                at_centre.index_select(0, end) + at_neighbour.index_select(0, start) + on_bond,
            ]
        )
        forward, backward = layer.finish(first).split(len(bonds))
        total = torch.zeros_like(atoms)
        total = total.index_add(0, start, forward * weights).index_add(0, end, backward * weights)
        return self.model.atom_conv_layers[index].mlp_out(total) + atoms

    def _convolve_bonds(
        self,
        index: int,
        atoms: Tensor,
        bonds: Tensor,
        weights: Tensor,
        angles: Tensor,
        graph: Graph,
    ) -> Tensor:
        """Update the short bonds from their angles."""
        update = self._over_angles(self.bond_layers[index], atoms, bonds, angles, graph)
        update = update * weights.index_select(0, graph.bond_from)
        update = update * weights.index_select(0, graph.bond_to)
        total = torch.zeros_like(bonds).index_add(0, graph.bond_from, update)
        return self.model.bond_conv_layers[index].mlp_out(total) + bonds

    def _update_angles(
        self, index: int, atoms: Tensor, bonds: Tensor, angles: Tensor, graph: Graph
    ) -> Tensor:
        """Update the angles from their atoms and bonds."""
        return self._over_angles(self.angle_layers[index], atoms, bonds, angles, graph) + angles

    @staticmethod
    def _over_angles(
        layer: GatedLayer, atoms: Tensor, bonds: Tensor, angles: Tensor, graph: Graph
    ) -> Tensor:
        """Apply a gated layer to both bonds, the angle and the apex, on each angle."""
        first = layer.project(2, angles) + layer.bias
        first = first + layer.project(0, bonds).index_select(0, graph.bond_from)
        first = first + layer.project(1, bonds).index_select(0, graph.bond_to)
        first = first + layer.project(3, atoms).index_select(0, graph.apex)
        return layer.finish(first)
