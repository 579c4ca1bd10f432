"""Photographs of five kinds of flowers, drawn by code from a seed."""
