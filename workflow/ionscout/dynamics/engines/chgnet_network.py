"""CHGNet's network, trimmed to what molecular dynamics needs.

The weights and the function are those of the published potential (Deng et al.,
Nature Machine Intelligence 5, 1031 (2023), doi:10.1038/s42256-023-00716-3). What
differs is the way to the result:

- the energy is a function of the bond vectors alone, so that one derivative gives
  forces and stress, and nothing is differentiated by a parameter;
- each linear layer over concatenated features [x, y, z] is applied as
  x W_x + y W_y + z W_z, before the features are gathered onto bonds and angles;
- a bond outside the bond graph keeps its features through all bond convolutions;
- an angle and its mirror image share their basis, and their features until the first
  update of the angles tells them apart;
- messages go from gathering to sum in blocks that stay in the processor's cache, and
  their derivative is written by hand;
- bond lengths, angles and their bases are in double precision, for there single
  precision loses most: the forces are nearer to the exact ones than stock's;
- the last angle update, whose result nobody reads, is left out, and so are the
  magnetic moments.
"""

from __future__ import annotations

import torch
from chgnet.model.model import CHGNet
from torch import Tensor, nn

from ionscout.dynamics.engines.chgnet_basis import expand_cosines, expand_lengths
from ionscout.dynamics.engines.chgnet_graph import Graph, Rows
from ionscout.dynamics.engines.chgnet_messages import WIDTH, GatedLayer


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
        model, n_short = self.model, graph.n_short
        lengths = vectors_ang.norm(dim=1)
        expansions = model.bond_basis_expansion
        basis = expand_lengths(lengths, expansions.rbf_expansion_ag)
        basis_short = expand_lengths(lengths[:n_short], expansions.rbf_expansion_bg)
        atoms = model.atom_embedding(atomic_numbers - 1)
        bonds = model.bond_embedding(basis[:n_short])
        weights = model.bond_weights_ag(basis)
        weights_short = model.bond_weights_bg(basis_short)
        has_angles = len(graph.pair) > 0
        if has_angles:
            directions = vectors_ang[:n_short] / lengths[:n_short, None]
            angles = Angles(self._expand_angles(directions, graph), model.angle_embedding, graph)

        atom_rows, n_rounds = graph.atom_rows(), len(self.bond_layers)
        for index in range(n_rounds):
            atoms = self._convolve_atoms(index, atoms, bonds, basis[n_short:], weights, atom_rows)
            if has_angles:
                bonds = self._convolve_bonds(index, atoms, bonds, weights_short, angles, graph)
                if index < n_rounds - 1:
                    self._update_angles(index, atoms, bonds, angles, graph)
        atoms = self._convolve_atoms(n_rounds, atoms, bonds, basis[n_short:], weights, atom_rows)
        site_energies = model.mlp(model.readout_norm(atoms))
        return site_energies.double().sum() + self.reference_ev[atomic_numbers - 1].sum()

    def _expand_angles(self, directions: Tensor, graph: Graph) -> Tensor:
        """Return the basis of each angle, shape (n_angles, 31)."""
        directed = torch.cat([directions, -directions])
        start = directed.index_select(0, graph.pair_from)
        end = directed.index_select(0, graph.pair_to)
        expansion = self.model.angle_basis_expansion.fourier_expansion
        return expand_cosines((start * end).sum(dim=1), expansion)

    def _convolve_atoms(
        self,
        index: int,
        atoms: Tensor,
        bonds: Tensor,
        long_basis: Tensor,
        weights: Tensor,
        rows: Rows,
    ) -> Tensor:
        """Update the atoms from their bonds, both ways."""
        layer = self.atom_layers[index]
        embed_and_project = self.model.bond_embedding.weight.T @ layer.weights[1]
        total = layer.send(
            layer.project(0, atoms) + layer.bias,
            layer.project(2, atoms),
            torch.cat([layer.project(1, bonds), long_basis @ embed_and_project]),
            weights,
            rows,
            len(atoms),
        )
        return self.model.atom_conv_layers[index].mlp_out(total) + atoms

    def _convolve_bonds(
        self,
        index: int,
        atoms: Tensor,
        bonds: Tensor,
        weights: Tensor,
        angles: Angles,
        graph: Graph,
    ) -> Tensor:
        """Update the short bonds from their angles."""
        layer = self.bond_layers[index]
        tables = *_project_ends(layer, atoms, bonds, graph), angles.project(layer)
        total = layer.send(*tables, weights, graph.bond_rows(angles.link), len(bonds))
        # The weight of the bond that gathers is common to all its messages.
        return self.model.bond_conv_layers[index].mlp_out(total * weights) + bonds

    def _update_angles(
        self, index: int, atoms: Tensor, bonds: Tensor, angles: Angles, graph: Graph
    ) -> None:
        """Update the angles from their atoms and bonds."""
        layer = self.angle_layers[index]
        tables = *_project_ends(layer, atoms, bonds, graph), angles.project(layer)
        rows = graph.angle_rows(angles.link)
        angles.add(layer.send(*tables, torch.ones(1, WIDTH), rows, len(rows)))


class Angles:
    """Features of the angles: at first one an angle, then one for each of its two rows.

    Parameters
    ----------
    basis : Tensor, shape (n_angles, 31)
    embedding : nn.Linear
    graph : Graph

    Attributes
    ----------
    link : Tensor of int, shape (2 * n_angles,), or None
        The row's angle, as long as both rows of an angle are equal.
    """

    def __init__(self, basis: Tensor, embedding: nn.Linear, graph: Graph):
        self._basis, self._embedding = basis, embedding
        self.link, self._features = graph.pair, None

    def project(self, layer: GatedLayer) -> Tensor:
        """Return what the angles add to a first layer, or the features that it projects."""
        if self.link is None:
            return self._features
        return self._basis @ (self._embedding.weight.T @ layer.weights[2])

    def add(self, update: Tensor) -> None:
        """Add an update of each row, shape (2 * n_angles, 64)."""
        if self.link is not None:
            self._features = self._embedding(self._basis).index_select(0, self.link)
            self.link = None
        self._features = self._features + update


def _project_ends(
    layer: GatedLayer, atoms: Tensor, bonds: Tensor, graph: Graph
) -> tuple[Tensor, Tensor]:
    """Return the first layer's tables of first bonds and of second, directed bonds."""
    at_apex = layer.project(3, atoms).index_select(0, graph.apex)
    second = layer.project(1, bonds)
    return layer.project(0, bonds) + layer.bias, torch.cat([second, second]) + at_apex
