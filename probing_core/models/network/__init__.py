"""Networks in memory: preprocessing, devices, batches and the forward pass, the same for every provider."""
