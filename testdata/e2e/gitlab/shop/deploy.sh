#!/bin/sh
# Puts the page of a version on a server, which here is a file in $SHOP; and notes that it did, for the test to see.
set -eu
echo "$BREAKWATER_TARGET $BREAKWATER_VERSION" >>"$SHOP/deploys.log"
if [ -e "$SHOP/broken/$BREAKWATER_TARGET" ]; then
  echo "$BREAKWATER_TARGET does not answer"
  exit 1
fi
git --git-dir="$SHOP/origin.git" show "$BREAKWATER_VERSION:page" >"$SHOP/servers/$BREAKWATER_TARGET"
