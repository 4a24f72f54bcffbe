"""The page: a person asks for palms and gets them."""
