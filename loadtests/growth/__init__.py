"""What an event costs as work grows: keys, windows, trees, partitions, processes."""
