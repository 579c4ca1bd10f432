"""The input pipeline past one host: rates by number of workers, whole epochs, servers that are killed."""
