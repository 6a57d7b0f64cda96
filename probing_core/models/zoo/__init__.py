"""The zoo: small encoders that this project pretrained, one an objective."""
