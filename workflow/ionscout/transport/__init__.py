"""From trajectories to diffusivities, verdicts and conductivities."""
