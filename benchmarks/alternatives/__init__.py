"""What people use today, written from the formulas; one file per operator whose benchmark needs the room."""
