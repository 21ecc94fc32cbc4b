#!/bin/sh
# Fails while a server shows an error page. As often as a number in $SHOP/strange says, it does not know in a bake.
set -eu
for page in "$SHOP"/servers/*; do
  if [ -e "$page" ] && grep "^error" "$page"; then
    exit 1
  fi
done
if [ -n "${BREAKWATER_WAVE:-}" ] && [ -e "$SHOP/strange" ]; then
  read -r times <"$SHOP/strange"
  if [ "$times" -gt 0 ]; then
    echo $((times - 1)) >"$SHOP/strange"
    exit 75
  fi
fi
