"""What `presscheck engines` does: lists, fetches, tries, and renders again."""
