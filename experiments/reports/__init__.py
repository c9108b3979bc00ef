"""What is made of results: a page, sliders, a comparison."""
