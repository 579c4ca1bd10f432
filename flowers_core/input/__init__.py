"""Input pipelines: photos or records to batches."""
