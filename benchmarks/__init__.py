"""What Lightkeeper costs, as ratios against peers that run in turn with it on the same machine."""
