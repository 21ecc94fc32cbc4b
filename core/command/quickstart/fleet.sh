#!/bin/sh
# Prints the fleet as a list of targets. A server that does not run is started with the version it ran last; every
# server stops by itself after ten minutes.
set -eu
while read -r name port; do
  ./breakwater serve --name "$name" --port "$port"
done <fleet/ports
cat fleet/targets.json
