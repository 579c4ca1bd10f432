"""The ways of feeding by name: what each reads and what pixels it yields; `batches` holds the code."""

READS = {
    "photos_one_by_one": "photos",
    "photos_parallel": "photos",
    "photos_turbo": "photos",
    "records_sequential": "records",
    "records_parallel": "records",
    "records_uint8": "records",
    "records_turbo": "records",
    "records_cached": "records",
    "records_batches_cached": "records",
}
NAMES = tuple(READS)

# The others yield float32 in [0, 1]. uint8 goes to the device as it is, a quarter of the bytes, and is scaled there.
YIELDS_UINT8 = ("photos_turbo", "records_uint8", "records_turbo", "records_cached", "records_batches_cached")

# Made by functions of Python, which no other host can be sent.
BY_PYTHON = ("photos_turbo", "records_turbo", "records_batches_cached")
