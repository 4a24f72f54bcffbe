"""Components that several views share."""
