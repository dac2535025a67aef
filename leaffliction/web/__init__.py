"""Step 5 in the browser, predict.py --web: the server and its page."""
