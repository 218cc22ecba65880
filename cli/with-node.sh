#!/bin/sh
# Brings the project's own Node and packages, then becomes the program that was asked for. Runs on what a bare machine has.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
verb=${1:-help}
command -v node >/dev/null || { echo "nodelet needs Node.js 20 or newer with npm to install itself: apt-get install nodejs npm" >&2; exit 1; }
node "$root/cli/prepare.mjs" "$@"
node="$root/node_modules/.bin/node"
case $verb in
  dev) shift; "$node" --watch "$root/cli/main.ts" up --log-level=info "$@" | "$root/node_modules/.bin/pino-pretty" --ignore program ;;
  test) shift; exec "$node" "$root/test/run.ts" "$@" ;;
  *) exec "$node" "$root/dist/nodelet.cjs" "$@" ;;
esac
