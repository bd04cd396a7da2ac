"""World model: predicts the next image, reward and end of an episode."""
