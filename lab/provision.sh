#!/bin/sh
# Makes a machine of the lab a node: packages, nodelet from /tmp/nodelet.deb, the control plane on the first, and the join.
# provision.sh control|worker <address> <https://server:6443> <token> <nodes in the lab>
set -eu
role=$1 address=$2 server=$3 token=$4 count=$5
export DEBIAN_FRONTEND=noninteractive

needed=
for pair in dockerd:docker.io kubectl:kubernetes-client ipset:ipset busybox:busybox-static conntrack:conntrack; do
  command -v "${pair%%:*}" >/dev/null || needed="$needed ${pair##*:}"
done
# shellcheck disable=SC2086
[ -z "$needed" ] || { apt-get update -qq && apt-get install -y -qq --no-install-recommends $needed; }
dpkg -s nodelet >/dev/null 2>&1 && [ -z "${NODELET_UPGRADE:-}" ] ||
  dpkg -i /tmp/nodelet.deb || apt-get install -y -qq --no-install-recommends -f
systemctl enable --now docker

# The image of the examples and of smoke.sh: a lab may reach no registry.
if ! docker image inspect nodelet.local/busybox:1 >/dev/null 2>&1; then
  root=$(mktemp -d)
  mkdir -p "$root/bin" "$root/tmp" "$root/etc" "$root/root"
  cp "$(readlink -f "$(command -v busybox)")" "$root/bin/busybox"
  for applet in $("$root/bin/busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done
  tar -C "$root" -c . | docker import -c 'ENV PATH=/bin' -c 'CMD ["sh"]' - nodelet.local/busybox:1
  rm -rf "$root"
fi

if [ "$role" = control ]; then
  printf 'data-dir: /var/lib/nodelet\nadvertise-address: %s\n' "$address" >/etc/nodelet/controlplane.yaml
  systemctl enable --now nodelet-controlplane
  nodelet token create "$token" --ttl 24h --description 'lab' >/dev/null
fi
nodelet join "$server" --token "$token" --discovery-token-unsafe-skip-ca-verification --node-ip "$address"

# Machines come up one after the other: the last one sees them all.
kubectl="kubectl --kubeconfig /etc/nodelet/kubelet.conf"
if [ "$($kubectl get nodes --no-headers | wc -l)" = "$count" ]; then
  $kubectl wait --for=condition=Ready node --all --timeout=90s
  $kubectl get nodes -o wide
fi
