"""Measures the service's own parts on this machine; what the model costs is measured in `r2model.bench`."""
