"""Call a user's code so that its fault stays its own: it may not end the process, change it, or hold it for ever."""
