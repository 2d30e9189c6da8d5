"""From images, models and conditions to stored predictions: the plan, the sweep, and the store that it fills."""
