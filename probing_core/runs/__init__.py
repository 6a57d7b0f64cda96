"""What a run is on disk: its recipe, its files and their paths, its images, samples and embeddings."""
