"""Pyomo expressions: the physics and the costs, without solver or search."""
