"""Multi-person systems compared on generated crowds."""
