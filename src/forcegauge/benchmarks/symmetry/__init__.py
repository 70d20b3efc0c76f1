"""What a potential must obey whatever it was trained on: derivatives, symmetries, batches, smoothness."""
