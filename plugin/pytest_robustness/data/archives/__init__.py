"""Images in tar archives: what an archive holds, the bytes of its members, and the samples that they form."""
