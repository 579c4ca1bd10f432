"""The input pipeline past one host, by tf.data service."""
