#!/bin/sh
# Passes, unless there is a file bad/WAVE-VERSION, or bad/precheck-VERSION, with an exit code and words.
set -eu
echo "${BREAKWATER_WAVE:-precheck} $BREAKWATER_VERSION" >>asked
bad=bad/${BREAKWATER_WAVE:-precheck}-$BREAKWATER_VERSION
if [ -e "$bad" ]; then
  read -r code words <"$bad"
  echo "$words"
  exit "$code"
fi
echo "all good"
