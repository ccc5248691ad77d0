"""What is run against the product: chaos, benchmarks, peers. Not part of the wheel."""
