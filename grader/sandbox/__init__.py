"""Walls and limits: programs in, outcomes out. It knows neither courses nor torch."""
