"""What is measured: the codelab's data pipeline and models, on TPU, GPU or CPU."""
