"""Training as the codelab does it: settings, fit, the folder of a run, evaluation."""
