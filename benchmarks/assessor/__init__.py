"""What assessors save of the training, and what that costs of the best value."""
