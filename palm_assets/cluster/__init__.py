"""Ray: shards of a stage are computed on the nodes of a cluster."""
