"""The laboratory: asv suites on this floor, `lab` takes measurements, `ledger` keeps and reads them."""
