"""The SKU doctor: what is wrong with the articles of several systems, and what a person decided about them."""
