"""What a potential does far from where it was trained: atoms pushed together and pulled apart."""
