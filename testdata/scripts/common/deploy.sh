#!/bin/sh
# Puts $BREAKWATER_VERSION on $BREAKWATER_TARGET: it writes that into the target's file. A file bad/TARGET-VERSION,
# with an exit code and words, makes it fail. While there is a file hold-VERSION, it does not end.
set -eu
echo "$BREAKWATER_ACTION $BREAKWATER_TARGET $BREAKWATER_VERSION" >>log
while [ -e "hold-$BREAKWATER_VERSION" ]; do sleep 0.02; done
bad=bad/$BREAKWATER_TARGET-$BREAKWATER_VERSION
if [ -e "$bad" ]; then
  read -r code words <"$bad"
  echo "$words"
  exit "$code"
fi
echo "$BREAKWATER_VERSION" >"fleet/$BREAKWATER_TARGET"
