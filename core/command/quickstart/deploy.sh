#!/bin/sh
# Puts $BREAKWATER_VERSION on $BREAKWATER_TARGET: the server that runs there stops, one of that version starts.
# It returns once the new server answers. A rollback is the same with the previous version.
set -eu
exec ./breakwater serve --name "$BREAKWATER_TARGET" --port "$BREAKWATER_LABEL_PORT" --release "$BREAKWATER_VERSION" --replace
