#!/bin/sh
# Takes nodelet and all that it made off this machine: pods, rules, links, state, settings, files.
set -eu
[ "$(id -u)" = 0 ] || { echo 'uninstall.sh: must run as root' >&2; exit 1; }
units='nodelet-proxy.service nodelet-kubelet.service nodelet-controlplane.service'
# shellcheck disable=SC2086
[ ! -d /run/systemd/system ] || systemctl disable --now $units
nodelet reset
while read -r file; do rm -f "$file"; done </usr/lib/nodelet/files
rm -rf --one-file-system /usr/lib/nodelet /usr/share/doc/nodelet /etc/nodelet /var/lib/nodelet
rmdir --ignore-fail-on-non-empty -p /opt/cni/bin 2>/dev/null || true
[ ! -d /run/systemd/system ] || systemctl daemon-reload
echo 'nodelet is gone'
