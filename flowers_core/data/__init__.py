"""Photos and records: found, downloaded, written, read and checked."""
