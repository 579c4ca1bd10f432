"""Are the verdicts right? Injected slowdowns, identical pairs, and what other tests say of them."""
