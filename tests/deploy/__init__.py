"""What `deploy/` has for clusters, images and runner hosts, held against real tools."""
