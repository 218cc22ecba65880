#!/bin/sh
# Puts nodelet from this directory onto the machine, or a newer one over an older: pods keep running.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
fail() { echo "install.sh: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail 'must run as root'
for command in iptables conntrack ip nsenter mount modprobe; do
  command -v "$command" >/dev/null || missing="${missing:-} $command"
done
[ -z "${missing:-}" ] || fail "missing$missing: on Debian: apt-get install iptables conntrack iproute2 util-linux mount kmod"
command -v dockerd >/dev/null || echo 'install.sh: Docker Engine is not here yet; a node needs it' >&2

cd "$here/root"
find . ! -type d | sed 's/^\.//' | while read -r file; do
  case $file in
    # What stands in /etc belongs to whoever runs the machine.
    /etc/*) [ ! -e "$file" ] || continue ;;
  esac
  mkdir -p "$(dirname "$file")"
  # Beside and renamed: a running program keeps the file that it was started from.
  cp -dp ".$file" "$file.new"
  chown -h 0:0 "$file.new"
  mv -f "$file.new" "$file"
done
find . ! -type d | sed 's/^\.//' >/usr/lib/nodelet/files
cp "$here/uninstall.sh" /usr/lib/nodelet/uninstall.sh

if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl try-restart nodelet-controlplane.service nodelet-kubelet.service nodelet-proxy.service
fi
echo 'nodelet is installed. A cluster of your own: systemctl enable --now nodelet-controlplane, then nodelet token create --print-join-command'
