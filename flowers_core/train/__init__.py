"""Training as the codelab does it: recipe, fit, what is kept, evaluation."""
