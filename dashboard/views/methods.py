"""methods: in work."""
