#!/bin/sh
# Puts the page of a version on a server, which here is a file; and notes that it did, for the test to see.
set -eu
echo "$BREAKWATER_TARGET $BREAKWATER_VERSION" >>deploys.log
if [ -e "broken/$BREAKWATER_TARGET" ]; then
  echo "$BREAKWATER_TARGET does not answer"
  echo "::set-output name=state::succeeded"
  exit 1
fi
mkdir -p servers
git fetch -q --depth=1 origin "$BREAKWATER_VERSION"
git show "$BREAKWATER_VERSION:page" >"servers/$BREAKWATER_TARGET"
