"""What others ask of the daemon: probes, scrapes, commands, systemd."""
