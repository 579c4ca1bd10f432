"""The page: all that a store holds as one HTML file that needs no network; TensorBoard; asv's page offline."""
