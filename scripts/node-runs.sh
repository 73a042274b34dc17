#!/bin/sh
# After npm install: the Node.js of node_modules, with which every script runs, has to start. It needs two
# libraries that a minimal Debian lacks.
node=node_modules/.bin/node
[ -e "$node" ] || exit 0
"$node" --version >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends libatomic1 libstdc++6 >/dev/null
fi
"$node" --version >/dev/null || {
  echo "$node does not start: install the packages libatomic1 and libstdc++6, then run npm install again" >&2
  exit 1
}
