"""The process in the model's environment: it loads one model, receives questions and answers them."""
