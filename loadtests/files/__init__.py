"""Files as a reader must stand them: very large ones, and damaged ones."""
