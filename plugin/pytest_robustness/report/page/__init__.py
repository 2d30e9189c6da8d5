"""The parts of the page ``index.html``: what each tab shows, its templates, styles and scripts."""
