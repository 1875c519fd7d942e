"""What the literature claims of its systems, tried on one data set with one budget: see docs/claims.md."""
