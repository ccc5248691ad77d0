"""What every process needs before it does anything: settings, errors, the clock, start and stop."""
