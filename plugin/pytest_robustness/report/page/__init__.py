"""The page ``index.html``: what each tab shows, with templates, styles and scripts."""
