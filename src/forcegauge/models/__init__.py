"""Pretrained, analytic and deliberately broken potentials, their registry and the environments they run in."""
