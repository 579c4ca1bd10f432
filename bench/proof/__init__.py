"""Proving that the judgement is right: planted slowdowns, identical pairs, and what others would say of them."""
