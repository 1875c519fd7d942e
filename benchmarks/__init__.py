"""Measures every operator beside what people use today and beside a copy of the bytes it must move."""
