"""Making a scenario of one's own out of files from elsewhere: OpenStreetMap's, and the TNTP test problems'."""
