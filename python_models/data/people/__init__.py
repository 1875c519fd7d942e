"""Drawing articulated people: poses, bodies, figures in the image, clothes, paint and surroundings."""
